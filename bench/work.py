# SPDX-License-Identifier: MIT
"""What is measured: which work, how it comes, and who takes part."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.burst import Mode
from bench.peers.broker import NAME
from bench.peers.varlink import (
    FILE,
    MEMFD,
    MEMFDS,
    ONE_AT_A_TIME,
    PTY,
    PTYS,
    PUT_AND_TAKE,
    RELOAD,
    SETTINGS,
    STORED,
)

FLOOR = "floor"
S6 = "s6-fdholderd"
SEATD = "seatd"
ASYNCVARLINK = "asyncvarlink"
SHARER = "resource_sharer"

FEW_RULES = "fdbrokerd, 1 rule"
SOME_RULES = "fdbrokerd, 10 rules"
MANY_RULES = "fdbrokerd, 1000 rules"
NO_AUDIT = "fdbrokerd, no audit"
FACTS = "fdbrokerd, 100 rules of programs"

SLOW = frozenset({ASYNCVARLINK, SHARER})
"""They take so long that fewer requests tell as much."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of work, and how many requests a burst of it has."""

    work: str
    mode: Mode
    who: Sequence[str]
    count: int

    @property
    def title(self) -> str:
        """Return what to call it."""
        return f"{self.work}, {_WORDS[self.mode]}"

    def count_of(self, peer: str) -> int:
        """Return how many requests a burst to a peer has."""
        if peer in SLOW:
            return max(self.count // 5, 5)
        if peer == FLOOR and self.work in ONE_AT_A_TIME:
            return self.count * 10
        return self.count


_WORDS = {
    Mode.ONE: "one connection",
    Mode.EACH: "a connection each",
    Mode.PIPELINED: "32 connections, pipelined",
}

CASES = (
    Case(STORED, Mode.ONE, (FLOOR, S6, NAME, ASYNCVARLINK), 300),
    Case(STORED, Mode.EACH, (FLOOR, S6, NAME, ASYNCVARLINK, SHARER), 200),
    Case(STORED, Mode.PIPELINED, (FLOOR, S6, NAME, ASYNCVARLINK), 1500),
    Case(FILE, Mode.ONE, (FLOOR, NAME, ASYNCVARLINK, SEATD), 200),
    Case(PTY, Mode.ONE, (FLOOR, NAME, ASYNCVARLINK), 150),
    Case(PTYS, Mode.ONE, (FLOOR, NAME), 10),
    Case(MEMFD, Mode.ONE, (FLOOR, NAME), 200),
    Case(MEMFDS, Mode.ONE, (FLOOR, NAME), 10),
    Case(PUT_AND_TAKE, Mode.ONE, (S6, NAME), 30),
    Case(
        SETTINGS,
        Mode.ONE,
        (NAME, FEW_RULES, SOME_RULES, MANY_RULES, NO_AUDIT, FACTS),
        300,
    ),
    Case(SETTINGS, Mode.EACH, (NAME, FEW_RULES, MANY_RULES, FACTS), 100),
    Case(RELOAD, Mode.ONE, (FEW_RULES, NAME, MANY_RULES), 2),
)
