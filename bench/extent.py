# SPDX-License-Identifier: MIT
"""How much of everything a run does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scaling:
    """Of what grows with numbers."""

    rounds: int
    """Of the curves."""
    items: tuple[int, ...]
    connections: tuple[int, ...]
    crowd_rounds: int
    each: int
    """Connections of each of the hundred users."""
    requests: int
    """On each connection that asks, in a round, one after the other."""
    paced: int
    """The same, by the clock."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Counts and times, each a bound."""

    rounds: int
    share: float
    """Of a case's number of requests."""
    seconds: float
    """No round of bursts begins that would not end within."""
    laps: int
    """Of each program."""
    activations: int
    connections: tuple[int, ...]
    items: tuple[int, ...]
    decisions: int
    scaling: Scaling
    profiles: bool = False


_FULL = Scaling(11, (10, 100, 1_000, 10_000, 100_000), (10, 100, 1_000, 10_000), 5, 100, 50, 30)
_QUICK = Scaling(3, (10, 10_000), (10, 1_000), 2, 10, 20, 10)
_TINY = Scaling(1, (10, 100), (10, 100), 1, 4, 2, 2)

FULL = Extent(41, 1.0, 300.0, 41, 11, (1_000, 10_000), (1_000, 10_000), 41, _FULL, profiles=True)
QUICK = Extent(5, 0.3, 15.0, 4, 1, (1_000,), (100,), 11, _QUICK)
TINY = Extent(1, 0.02, 10.0, 0, 0, (), (), 1, _TINY)
"""For a test: that it works at all."""
