# SPDX-License-Identifier: MIT
"""Which peers a rule is about, in three-valued logic: true, false, or unknown (Kleene's).

A key that cannot be determined is unknown, not false; `not` of unknown is unknown. An allow needs
true, a deny holds on true or unknown, so nothing that hides opens anything.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from fdbrokerd.model.facts import Unknown
from fdbrokerd.model.glob import name_glob, path_glob
from fdbrokerd.model.peer import IdRanges, Peer, Truth

PATH_KEYS = frozenset({"cgroup", "exe"})
HOME_KEYS = frozenset({"container", "unit"})
"""A peer of another namespace is at home only where a rule says one of these."""


class FactMatch(Struct, frozen=True):
    """One key about a fact of the process: it is one of these globs."""

    key: str
    globs: tuple[str, ...]

    def holds(self, peer: Peer) -> Truth:
        """Tell whether the fact is one of them; None where the fact is unknown."""
        fact = peer.facts.of(self.key)
        if isinstance(fact, Unknown):
            return None
        return fact is not None and any(
            self._expression(glob).fullmatch(fact) for glob in self.globs
        )

    def _expression(self, glob: str) -> re.Pattern[str]:
        return path_glob(glob) if self.key in PATH_KEYS else name_glob(glob)


class PeerMatch(Struct, frozen=True):
    """Conditions that must all hold.

    Each of `uids`; each of `gids` with one of the peer's groups; each of `facts`; of each group of
    `any_of` one; none of `none_of`.
    """

    uids: tuple[IdRanges, ...] = ()
    gids: tuple[IdRanges, ...] = ()
    facts: tuple[FactMatch, ...] = ()
    any_of: tuple[tuple["PeerMatch", ...], ...] = ()
    none_of: tuple["PeerMatch", ...] = ()

    def holds(self, peer: Peer) -> Truth:
        """Tell whether the peer is meant."""
        unknown = False
        for truth in self._truths(peer):
            if truth is False:
                return False
            unknown = unknown or truth is None
        return None if unknown else True

    def _truths(self, peer: Peer) -> Iterator[Truth]:
        for ids in self.uids:
            yield ids.holds(peer.uid)
        for ids in self.gids:
            yield either(ids.holds(gid) for gid in peer.groups)
        for fact in self.facts:
            yield fact.holds(peer)
        for group in self.any_of:
            yield either(one.holds(peer) for one in group)
        for one in self.none_of:
            truth = one.holds(peer)
            yield None if truth is None else not truth

    def admits(self, peer: Peer) -> bool:
        """Tell whether an allow with this match is for the peer: it holds, and it is at home here.

        A peer of another pid or user namespace is at home where the rule says `container` or names
        its `unit`; a rule for alice does not silently include every container that she runs.
        """
        return self.holds(peer) is True and self.at_home(peer)

    def at_home(self, peer: Peer) -> bool:
        """Tell whether the peer is of our namespaces, or what holds for it says where it is."""
        if not peer.foreign or any(fact.key in HOME_KEYS for fact in self.facts):
            return True
        return any(
            one.holds(peer) is True and one.at_home(peer) for group in self.any_of for one in group
        )

    def includes(self, other: "PeerMatch") -> bool:
        """Tell whether every peer that the other means is certainly meant here too."""
        return (
            _implied(self.uids, other.uids)
            and _implied(self.gids, other.gids)
            and set(self.facts) <= set(other.facts)
            and set(self.any_of) <= set(other.any_of)
            and set(self.none_of) <= set(other.none_of)
        )

    def everywhere(self) -> Iterator["PeerMatch"]:
        """Yield this match and those inside it."""
        yield self
        for group in (*self.any_of, self.none_of):
            for one in group:
                yield from one.everywhere()

    @property
    def uses_facts(self) -> bool:
        """Tell whether any key is about a fact of the process."""
        return any(one.facts for one in self.everywhere())


def either(truths: Iterable[Truth]) -> Truth:
    """Return True if one is, else None if one is unknown, else False (Kleene's or)."""
    unknown = False
    for truth in truths:
        if truth:
            return True
        unknown = unknown or truth is None
    return None if unknown else False


def _implied(wider: tuple[IdRanges, ...], narrower: tuple[IdRanges, ...]) -> bool:
    """Tell whether each wider set follows from one of the narrower ones."""
    return all(any(wide.includes(narrow) for narrow in narrower) for wide in wider)
