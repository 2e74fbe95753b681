# SPDX-License-Identifier: MIT
"""Some requests of one kind to one server, one after the other, and what they cost."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Mode(StrEnum):
    """How requests come."""

    ONE = "one"
    """In turn, on one connection."""
    EACH = "each"
    """A connection for each."""
    PIPELINED = "pipelined"
    """Several under way on each of several connections."""


class Place(StrEnum):
    """Where client and server run."""

    FREE = "free"
    """Wherever the kernel likes: what a client sees."""
    PINNED = "pinned"
    """On one processor, both: what the work costs."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Times in nanoseconds, for one item where a request is about several."""

    median: float
    mean: float
    p99: float
    most: float
    cpu: float = 0.0
    """The server's, for each request."""

    @classmethod
    def of(cls, line: str, mode: Mode, items: int = 1) -> Self:
        """Read what a client prints.

        Where requests overlap, each one's time is the time that it waits for the others: there what
        counts is how many a second there are.
        """
        found = json.loads(line)
        mean = found["elapsed"] / found["count"] / items
        median = mean if mode is Mode.PIPELINED else found["median"] / items
        return cls(median, mean, found["p99"] / items, found["most"] / items)

    def with_cpu(self, nanoseconds: float) -> Self:
        """Return the same with what the server computed for each item."""
        return replace(self, cpu=nanoseconds)
