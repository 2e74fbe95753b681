# SPDX-License-Identifier: MIT
"""A named thing that can be got, and what was asked of it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.argument import Argument

if TYPE_CHECKING:
    from fdbrokerd.model.holding import Holding

RESOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""No colon, which LISTEN_FDNAMES separates with; no slash, which divides a store from its item."""

ITEM_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
"""One level of an item's name: no leading dot or dash, no colon, nothing that a shell, a terminal
or a path would take for more than a name."""

ITEM_NAME = re.compile(rf"{ITEM_COMPONENT.pattern}(?:/{ITEM_COMPONENT.pattern})*")

NO_ARGUMENTS: Mapping[str, str] = MappingProxyType({})


class Place(Struct, frozen=True):
    """Where in which file something was said."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def resource_of(name: str) -> str:
    """Return the resource that a name is about: itself, or that of an item, RESOURCE/ITEM."""
    return name.partition("/")[0]


def item_of(name: str) -> str:
    """Return the item's own name, empty where a resource is named."""
    return name.partition("/")[2]


class Resource(Struct, frozen=True):
    """A resource as the rules describe it. `spec` is of its kind's own type, opaque to the rest.

    `holding` says how it holds items, None where there are none.
    """

    name: str
    kind: str
    arguments: Mapping[str, Argument]
    spec: object
    place: Place
    holding: "Holding | None" = None

    def complete(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Return the given arguments with the defaults filled in.

        Raises InvalidArgument for one that is unknown, missing or not of its type.
        """
        for name in given:
            if name not in self.arguments:
                raise InvalidArgument(argument=name, reason="is unknown to this resource")
        complete: dict[str, str] = {}
        for name, argument in self.arguments.items():
            value = given.get(name, argument.default)
            if value is None:
                continue
            if problem := argument.problem(value):
                raise InvalidArgument(argument=name, reason=problem)
            complete[name] = value
        return complete


class Request(Struct, frozen=True):
    """What a peer asks: a verb of a resource or of an item, with its arguments complete."""

    verb: str
    resource: str
    arguments: Mapping[str, str]
    count: int = 1
