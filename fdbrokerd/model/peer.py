# SPDX-License-Identifier: MIT
"""The process at the other end, as the kernel attests it."""

from msgspec import Struct

from fdbrokerd.model.facts import NO_FACTS, Facts

UNMAPPED_ID = 65534
"""What the kernel shows for an id that has no number here (user_namespaces(7), overflowuid)."""

Truth = bool | None
"""True, False, or None for what cannot be known."""


class Peer(Struct, frozen=True):
    """Who asks, as it was when it connected.

    `pid` is for logs and leases, never for decisions: a number can be used again. `groups` holds
    the effective group id and the supplementary ones. `foreign`: of another pid namespace, or of
    another user namespace where that was looked at.
    """

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]
    facts: Facts = NO_FACTS
    foreign: bool = False


class IdRanges(Struct, frozen=True):
    """A set of uids or gids, as ranges that include both ends."""

    ranges: tuple[tuple[int, int], ...]

    def holds(self, number: int) -> Truth:
        """Tell whether the id is one of them; of an unmapped id nothing is known."""
        if number == UNMAPPED_ID:
            return None
        return any(low <= number <= high for low, high in self.ranges)

    def __str__(self) -> str:
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)

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
