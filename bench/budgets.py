# SPDX-License-Identifier: MIT
"""What may come out: the budgets, and whether they hold.

A budget is a median of ratios, each within one round. A noisy machine disturbs both sides of a
ratio; the middle half of the ratios is told beside the median, to see how much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bench import crowd, curves
from bench.burst import Mode, Place
from bench.decision import DECISION
from bench.measured import Measured, Pick, Spread, cpu_of, time_of
from bench.memory import EACH
from bench.peers.broker import NAME
from bench.peers.varlink import FILE, MEMFDS, PTY, PTYS, SETTINGS, STORED
from bench.programs import GET, NOTHING, PLAIN, READY, VARLINKCTL, name_of
from bench.work import ASYNCVARLINK, FLOOR, MANY_RULES, S6, SHARER, SOME_RULES, Case

FREE, PINNED = Place.FREE, Place.PINNED

MAX_GROWTH = 1.25
"""What does not grow, with room for what the binary search in a bucket of descriptors costs."""

MAX_TAKEN = 1.02
"""All that is asked for is answered. What is left is the last answer's wait at the round's end."""

MANY_CONNECTIONS = 10_000
SOME_CONNECTIONS = 1_000


TURN_MS = 2.0
"""What a call waits at the most for those that came before it (`server/turns.py`)."""


class Verdict(StrEnum):
    """How it came out."""

    HOLDS = "holds"
    MISSES = "misses"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so much of something."""

    what: str
    against: str
    place: Place
    at_most: float
    find: Callable[[Measured], Spread | None]

    def verdict(self, measured: Measured) -> Verdict:
        """Tell whether it holds."""
        found = self.find(measured)
        if found is None:
            return Verdict.UNKNOWN
        return Verdict.HOLDS if found.median <= self.at_most else Verdict.MISSES


def _title(work: str, mode: Mode = Mode.ONE) -> str:
    return Case(work, mode, (), 0).title


def _requests(
    work: str, mode: Mode, peer: str, place: Place, at_most: float, pick: Pick = time_of
) -> Budget:
    """Return a budget on the same requests to another server."""
    title = _title(work, mode)
    what = title if pick is time_of else f"server CPU, {title}"
    both = ((title, NAME), (title, peer))
    return Budget(what, peer, place, at_most, lambda found: found.ratio(*both, place, pick))


def _programs(ours: str, theirs: str, at_most: float) -> Budget:
    return Budget(
        ours,
        theirs,
        PINNED,
        at_most,
        lambda found: found.figure_ratio(name_of(ours, PINNED), name_of(theirs, PINNED)),
    )


def _decision(found: Measured) -> Spread | None:
    return found.figure_ratio(DECISION.format(count=1000), DECISION.format(count=10))


def _many_rules(found: Measured) -> Spread | None:
    title = _title(SETTINGS)
    return found.ratio((title, MANY_RULES), (title, SOME_RULES), PINNED)


def _connection(found: Measured) -> Spread | None:
    """Return KiB for each; of the quick form's fewer connections where there are no others."""
    many = found.figure(EACH.format(count=MANY_CONNECTIONS, peer=NAME))
    return many or found.figure(EACH.format(count=SOME_CONNECTIONS, peer=NAME))


def _growth(curve: str) -> Budget:
    """Return a budget on how much more it takes with the most of something than with 10."""
    what = f"{curve}, with most"
    against = f"10 {curves.OF[curve]}"
    return Budget(what, against, PINNED, MAX_GROWTH, lambda found: found.growth(curve))


def _longest(of: str) -> Budget:
    """Return the budget on the longest wait of a round."""
    what = f"longest wait of {of}"
    return Budget(what, "the median", FREE, 50.0, lambda found: crowd.longest(of, found))


def _flood(beside: str) -> tuple[Budget, Budget]:
    """Return the budgets on what a flood takes from others: of what they get, and of their time."""
    return (
        Budget(
            f"requests of {crowd.ALONE}",
            beside.partition(", ")[2],
            FREE,
            MAX_TAKEN,
            lambda found: crowd.slower(beside, found),
        ),
        Budget(
            "ms added to the median wait of 99 users",
            beside.partition(", ")[2],
            FREE,
            TURN_MS,
            lambda found: crowd.added_ms(beside, crowd.MEDIAN, found),
        ),
    )


BUDGETS = (
    _requests(STORED, Mode.ONE, FLOOR, FREE, 1.15),
    _requests(STORED, Mode.ONE, S6, FREE, 1.0),
    _requests(STORED, Mode.ONE, FLOOR, PINNED, 2.0),
    _requests(STORED, Mode.ONE, S6, PINNED, 1.25),
    _requests(STORED, Mode.EACH, S6, FREE, 1.0),
    _requests(STORED, Mode.EACH, S6, PINNED, 1.1),
    _requests(FILE, Mode.ONE, FLOOR, FREE, 1.2),
    _requests(FILE, Mode.ONE, FLOOR, PINNED, 1.8),
    _requests(PTY, Mode.ONE, FLOOR, FREE, 1.2),
    _requests(PTY, Mode.ONE, FLOOR, PINNED, 1.6),
    _requests(PTYS, Mode.ONE, FLOOR, PINNED, 1.0),
    _requests(MEMFDS, Mode.ONE, FLOOR, PINNED, 1.0),
    _requests(STORED, Mode.ONE, ASYNCVARLINK, PINNED, 0.2),
    _requests(STORED, Mode.EACH, ASYNCVARLINK, PINNED, 0.2),
    _requests(STORED, Mode.PIPELINED, ASYNCVARLINK, PINNED, 0.2),
    _requests(FILE, Mode.ONE, ASYNCVARLINK, PINNED, 0.2),
    _requests(PTY, Mode.ONE, ASYNCVARLINK, PINNED, 0.2),
    _requests(STORED, Mode.EACH, SHARER, PINNED, 0.2),
    _requests(STORED, Mode.ONE, FLOOR, PINNED, 3.5, cpu_of),
    Budget("decision among 1000 rules", "10 rules", PINNED, 1.1, _decision),
    Budget("a request among 1000 rules", "10 rules", PINNED, 1.1, _many_rules),
    _programs(GET, NOTHING, 1.5),
    _programs(GET, VARLINKCTL, 2.5),
    _programs(READY, PLAIN, 8.0),
    *map(_growth, curves.OF),
    _longest(crowd.AMONG),
    _longest(crowd.PACED),
    *_flood(crowd.BESIDE_CALLS),
    *_flood(crowd.BESIDE_CONNECTIONS),
    Budget("resident KiB for each idle connection", "nothing", PINNED, 4.0, _connection),
)
