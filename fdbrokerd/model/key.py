# SPDX-License-Identifier: MIT
"""The keys of the YAML files, as tables: what validates, what documents, and what a schema says.

A key's type decides how its text is read, never YAML 1.1 (where `0640` is 416, `no` is False and
`10:30` is 630). Each type's docstring says what a value becomes in Python.
"""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from fdbrokerd.errors import Error


class Text(Struct, frozen=True):
    """Any scalar, as it is written: str."""


class Word(Struct, frozen=True):
    """One of a few words: str."""

    words: tuple[str, ...]


class Whole(Struct, frozen=True):
    """A decimal number: int."""

    low: int = 0
    high: int = 2**31 - 1


class Flag(Struct, frozen=True):
    """`true` or `false` and no other spelling: bool."""


class Mode(Struct, frozen=True):
    """A file mode as a quoted string of four octal digits, no set-id and no sticky bit: int."""


class Size(Struct, frozen=True):
    """A number of bytes with an optional K, M or G (powers of 1024): int."""

    high: int = 2**40


class Duration(Struct, frozen=True):
    """A time with its unit, `30s` (s, min, h, d): int, in seconds."""

    high: int = 10 * 365 * 86400


class Account(Struct, frozen=True):
    """A user or group, by name or number: int; or `${user}`, `${group}` for the peer's own: OWN."""

    group: bool = False


class Ids(Struct, frozen=True):
    """Uids or gids, as numbers or ranges `A-B`, one or a list: tuple[tuple[int, int], ...]."""


class Span(Struct, frozen=True):
    """Whole numbers from A to B, `A-B`: tuple[int, int]."""


class Names(Struct, frozen=True):
    """Users or groups by name, one or a list: tuple[int, ...], resolved at load."""

    group: bool = False


class PerTime(Struct, frozen=True):
    """A number per time, `30/min` (s, min, h, d): Rate."""


class Many(Struct, frozen=True):
    """One of these or a list of them: tuple."""

    of: "KeyType"


class Section(Struct, frozen=True):
    """A mapping with known keys: Values."""

    keys: Mapping[str, "Key"]


class Table(Struct, frozen=True):
    """A mapping with names that the writer chooses: dict[str, value]."""

    of: "KeyType"
    name: str = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


KeyType = (
    Text
    | Word
    | Whole
    | Flag
    | Mode
    | Size
    | Duration
    | Account
    | Ids
    | Span
    | Names
    | PerTime
    | Many
    | Section
    | Table
)


class Key(Struct, frozen=True):
    """One key: its type, what it says in one sentence, and whether it must be there."""

    type: KeyType
    says: str
    required: bool = False


class Own(Enum):
    """The peer's own id, where an account is asked for."""

    OWN = "own"


OWN = Own.OWN


class Values(dict[str, object]):
    """The keys that were given, read by their types; None for what was not given."""

    def text(self, key: str) -> str | None:
        """Return a str."""
        value = self.get(key)
        assert value is None or isinstance(value, str)
        return value

    def number(self, key: str) -> int | None:
        """Return an int."""
        value = self.get(key)
        assert value is None or isinstance(value, int)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of one or more, none where it was not given."""
        value = self.get(key, ())
        assert isinstance(value, tuple)
        return value

    def flag(self, key: str) -> bool:
        """Return a bool, False where it was not given."""
        return bool(self.get(key))

    def account(self, key: str) -> int | Own | None:
        """Return a uid or gid, or OWN."""
        value = self.get(key)
        assert value is None or isinstance(value, int | Own)
        return value

    def section(self, key: str) -> "Values | None":
        """Return a section."""
        value = self.get(key)
        assert value is None or isinstance(value, Values)
        return value


class KeyRefused(Error):
    """A value that is of its type and still cannot be: whoever read the file adds the place."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
