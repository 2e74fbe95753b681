# SPDX-License-Identifier: MIT
"""The sorts of things that can be opened, one module each.

Ours are known here; other packages register theirs under the entry-point group `fdbrokerd.kinds`
and cannot replace one of ours. Their metadata is only read for a kind that is not ours: it takes
longer than the rest of the start.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from fdbrokerd.kinds.eventfd import KIND as EVENTFD
from fdbrokerd.kinds.file import KIND as FILE
from fdbrokerd.kinds.kind import Kind, WouldBlock
from fdbrokerd.kinds.memfd import KIND as MEMFD
from fdbrokerd.kinds.pipe import KIND as PIPE
from fdbrokerd.kinds.pty import KIND as PTY
from fdbrokerd.kinds.socketpair import KIND as SOCKETPAIR
from fdbrokerd.kinds.store import KIND as STORE

__all__ = ["Kind", "WouldBlock", "find", "kind_of", "kinds"]

ENTRY_POINTS = "fdbrokerd.kinds"

_ALL: tuple[Kind, ...] = (PTY, FILE, STORE, MEMFD, EVENTFD, PIPE, SOCKETPAIR)
_OURS = {kind.name: kind for kind in _ALL}


def find(name: str) -> Kind | None:
    """Return a kind by its name, or None."""
    return _OURS.get(name) or kinds().get(name)


def kind_of(name: str) -> Kind:
    """Return a kind that was found before, when the rules were read."""
    return _OURS.get(name) or kinds()[name]


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind by name: ours and those that other packages register."""
    points = import_module("importlib.metadata").entry_points(group=ENTRY_POINTS)
    return MappingProxyType({point.name: point.load() for point in points} | _OURS)
