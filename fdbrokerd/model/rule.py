# SPDX-License-Identifier: MIT
"""Who may do what with which resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import Place


class Effect(Enum):
    """What a rule that holds does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` grants in any `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        units = {1: "s", 60: "min", 3600: "h", 86400: "d"}
        return f"{self.count}/{units[self.seconds]}"


class Per(Enum):
    """Who is counted by a limit: each uid, each process or each unit."""

    UID = "uid"
    PEER = "peer"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of it each uid, or each process, may have at once and in a time."""

    held: int | None = None
    rate: Rate | None = None
    per: Per = Per.UID


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `resources` are names or globs."""

    id: str
    effect: Effect
    resources: tuple[str, ...]
    verbs: frozenset[str]
    peer: PeerMatch
    arguments: Mapping[str, ArgumentLimit]
    limit: Limit | None
    hint: str | None
    place: Place

    def covers(self, resource: str) -> bool:
        """Tell whether the rule is about the resource."""
        return covered(resource, self.resources)


def covered(name: str, globs: tuple[str, ...]) -> bool:
    """Tell whether one of the globs matches (`*`, `?`, `[…]`; there is no `/` in a name)."""
    return any(fnmatchcase(name, glob) for glob in globs)
