# SPDX-License-Identifier: MIT
"""The process at the other end, as the kernel attests it."""

from collections.abc import Iterable
from dataclasses import dataclass

UNMAPPED_ID = 65534
"""What the kernel shows for an id that has no number here (user_namespaces(7), overflowuid)."""

Truth = bool | None
"""True, False, or None for what cannot be known."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks.

    `pid` is for logs and leases, never for decisions: a number can be used again. `groups` holds
    the effective group id and the supplementary ones.
    """

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class IdRanges:
    """A set of uids or gids, as ranges that include both ends."""

    ranges: tuple[tuple[int, int], ...]

    def holds(self, number: int) -> Truth:
        """Tell whether the id is one of them; of an unmapped id nothing is known."""
        if number == UNMAPPED_ID:
            return None
        return any(low <= number <= high for low, high in self.ranges)

    def common(self, other: "IdRanges") -> "IdRanges":
        """Return the ids that are in both."""
        both = (
            (max(low, other_low), min(high, other_high))
            for low, high in self.ranges
            for other_low, other_high in other.ranges
        )
        return IdRanges(tuple((low, high) for low, high in both if low <= high))

    def includes(self, other: "IdRanges") -> bool:
        """Tell whether every id of the other is one of these."""
        if other.ranges and not any(low <= other.ranges[0][0] <= high for low, high in self.ranges):
            return False  # most sets have nothing in common, and rules are compared in pairs
        joined: list[tuple[int, int]] = []
        for low, high in sorted(self.ranges):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], high))
            else:
                joined.append((low, high))
        return all(any(a <= low and high <= b for a, b in joined) for low, high in other.ranges)


@dataclass(frozen=True, slots=True)
class PeerMatch:
    """Which peers a rule is about. Each set must hold: of `gids`, with one of the peer's groups."""

    uids: tuple[IdRanges, ...] = ()
    gids: tuple[IdRanges, ...] = ()

    def holds(self, peer: Peer) -> Truth:
        """Tell whether the peer is meant: False if any key fails, else None if any is unknown."""
        truths = [ids.holds(peer.uid) for ids in self.uids]
        truths += [_any(ids.holds(gid) for gid in peer.groups) for ids in self.gids]
        if False in truths:
            return False
        return None if None in truths else True

    def includes(self, other: "PeerMatch") -> bool:
        """Tell whether every peer that the other means is meant here too."""
        return _implied(self.uids, other.uids) and _implied(self.gids, other.gids)


def _implied(wider: tuple[IdRanges, ...], narrower: tuple[IdRanges, ...]) -> bool:
    """Tell whether each wider set follows from one of the narrower ones."""
    return all(any(wide.includes(narrow) for narrow in narrower) for wide in wider)


def _any(truths: Iterable[Truth]) -> Truth:
    """Return True if one is, else None if one is unknown, else False (Kleene's or)."""
    unknown = False
    for truth in truths:
        if truth:
            return True
        unknown = unknown or truth is None
    return None if unknown else False
