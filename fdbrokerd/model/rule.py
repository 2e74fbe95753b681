# SPDX-License-Identifier: MIT
"""Who may do what with which resource."""

from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase

from msgspec import Struct

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.glob import path_glob
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import Place, item_of, resource_of

_WILD = frozenset("*?[")
"""What makes a name a glob (fnmatch(3)); most entries are names."""


class Effect(Enum):
    """What a rule that holds does."""

    ALLOW = "allow"
    DENY = "deny"


class Rate(Struct, frozen=True):
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


class Limit(Struct, frozen=True):
    """How much of it each uid, or each process, may have at once and in a time."""

    held: int | None = None
    rate: Rate | None = None
    per: Per = Per.UID


class Rule(Struct, frozen=True):
    """One rule. `resources` are names or globs, of resources or, RESOURCE/GLOB, of items."""

    id: str
    effect: Effect
    resources: tuple[str, ...]
    verbs: frozenset[str]
    peer: PeerMatch
    arguments: Mapping[str, ArgumentLimit]
    limit: Limit | None
    hint: str | None
    place: Place

    def covers(self, name: str) -> bool:
        """Tell whether the rule is about the resource, or the item."""
        return covered(name, self.resources)

    def concerns(self, resource: str) -> bool:
        """Tell whether the rule is about the resource or any item of it."""
        return covered(resource, tuple(map(resource_of, self.resources)))

    @property
    def narrow(self) -> bool:
        """Tell whether it is about some items only, so that `covers` needs to be asked of each."""
        return any("/" in entry for entry in self.resources)


def covered(name: str, globs: tuple[str, ...]) -> bool:
    """Tell whether one of the globs matches a resource or an item.

    A glob without `/` (`*`, `?`, `[…]`) is about the resource and all its items; after a `/` it is
    about items, where `*` and `?` stay within one level and `**` is any number of them.
    """
    return any(_covers(glob, name) for glob in globs)


def _covers(glob: str, name: str) -> bool:
    resource, slash, items = glob.partition("/")
    about = resource_of(name)
    exact = _WILD.isdisjoint(resource)
    if resource != about if exact else not fnmatchcase(about, resource):
        return False
    if not slash:
        return True
    item = item_of(name)
    return bool(item) and path_glob("/" + items).fullmatch("/" + item) is not None
