# SPDX-License-Identifier: MIT
"""The rounds: A B C, B C A, C A B, so that what disturbs the machine disturbs all of them."""

import time
from collections.abc import Mapping, Sequence

from bench.burst import Place
from bench.measured import Measured
from bench.peers.peer import Peer
from bench.work import Case

WARM = 20
"""Requests before those that are measured: memory and caches are then as they stay."""


def taking_part(case: Case, peers: Mapping[str, Peer]) -> list[Peer]:
    """Return those of a case's peers that are there."""
    return [peers[name] for name in case.who if name in peers]


def run(
    cases: Sequence[Case],
    peers: Mapping[str, Peer],
    rounds: int,
    share: float,
    measured: Measured,
    seconds: float = float("inf"),
) -> int:
    """Run all cases in both places, and return how many rounds there were in `seconds`.

    `share`: of a case's number of requests. A round is run whole or not at all.
    """
    end = time.monotonic() + seconds
    longest = 0.0
    for number in range(rounds):
        begun = time.monotonic()
        if number > 0 and begun + longest > end:
            return number
        for case in cases:
            for place in Place:
                _round(case, place, taking_part(case, peers), number, share, measured)
        longest = max(longest, time.monotonic() - begun)
    return rounds


def count(
    cases: Sequence[Case], peers: Mapping[str, Peer], share: float, measured: Measured
) -> None:
    """Count each server's instructions, when everything is timed: counting takes time."""
    for case in cases:
        for peer in taking_part(case, peers):
            requests = max(int(case.count_of(peer.name) * share), 1)
            found = peer.instructions(case.work, case.mode, requests)
            measured.instructions[case.title, peer.name] = found


def _round(
    case: Case,
    place: Place,
    who: Sequence[Peer],
    number: int,
    share: float,
    measured: Measured,
) -> None:
    first = number % len(who) if who else 0
    for peer in (*who[first:], *who[:first]):
        count = max(int(case.count_of(peer.name) * share), 1)
        warm = min(WARM, count)
        burst = peer.burst(case.work, case.mode, place, count, warm)
        measured.add(case.title, place, peer.name, burst)
