# SPDX-License-Identifier: MIT
"""How much of everything a run does."""

from dataclasses import dataclass


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
    profiles: bool = False


FULL = Extent(41, 1.0, 300.0, 41, 11, (1_000, 10_000), (1_000, 10_000), 41, profiles=True)
QUICK = Extent(5, 0.3, 15.0, 4, 1, (1_000,), (100,), 11)
TINY = Extent(1, 0.02, 10.0, 0, 0, (), (), 1)
"""For a test: that it works at all."""
