# SPDX-License-Identifier: MIT
"""A named thing that can be got, and what was asked of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.argument import Argument

RESOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""No colon, which LISTEN_FDNAMES separates with; no slash, which divides a store from its item."""

NO_ARGUMENTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file something was said."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as the rules describe it. `spec` is of its kind's own type, opaque to the rest."""

    name: str
    kind: str
    arguments: Mapping[str, Argument]
    spec: object
    place: Place

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


@dataclass(frozen=True, slots=True)
class Request:
    """What a peer asks: a verb of a resource, with its arguments complete."""

    verb: str
    resource: str
    arguments: Mapping[str, str]
    count: int = 1
