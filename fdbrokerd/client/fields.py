# SPDX-License-Identifier: MIT
"""The fields of a JSON object from the broker, each read with its type.

Every fault is a ProtocolError that names the field. A field that is not asked for is not looked at:
a newer broker may say more.
"""

from __future__ import annotations

from fdbrokerd.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Fields:
    """One object, and what to call it in an error."""

    __slots__ = ("_where", "values")

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise ProtocolError(f"{where} is not an object")
        self.values: Mapping[str, object] = values
        self._where = where

    def _wrong(self, name: str) -> ProtocolError:
        state = "has the wrong type" if name in self.values else "is missing"
        return ProtocolError(f"{self._where}: the field {name!r} {state}")

    def text(self, name: str) -> str:
        """Return a string."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self._wrong(name)
        return value

    def number(self, name: str) -> int:
        """Return an integer; a boolean is none."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name)
        return value

    def perhaps_number(self, name: str) -> int | None:
        """Return an integer, or None where it is not given."""
        return self.number(name) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return an array of integers."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(type(one) is int for one in value):
            raise self._wrong(name)
        return tuple(value)

    def texts(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings."""
        value = self.values.get(name)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise self._wrong(name)
        return value

    def object(self, name: str) -> Fields:
        """Return an object."""
        if name not in self.values:
            raise self._wrong(name)
        return Fields(self.values[name], f"{self._where}: {name}")

    def objects(self, name: str) -> list[Fields]:
        """Return an array of objects."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self._wrong(name)
        return [Fields(one, f"{self._where}: {name}") for one in value]

    def has(self, name: str) -> bool:
        """Tell whether an optional field is given; null is not, as Varlink has it."""
        return self.values.get(name) is not None
