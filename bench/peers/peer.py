# SPDX-License-Identifier: MIT
"""A server that runs, and what it can be asked."""

import os
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.burst import Burst, Mode, Place
from bench.child import Child

CONNECTIONS = 32
"""Of a pipelined burst."""

UNDER_WAY = 8
"""Requests under way on each of them."""

CLIENT_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as steps for the client (bench/c/step.h), about so many items."""

    steps: tuple[str, ...]
    items: int = 1


def processors(place: Place) -> Collection[int]:
    """Return where client and server may run: the last processor is the quietest one."""
    mine = os.sched_getaffinity(0)
    return {max(mine)} if place is Place.PINNED else mine


@dataclass(slots=True)
class Peer:
    """A server by its name. `asks`: what it can be asked, by work."""

    name: str
    version: str
    child: Child
    address: str
    asks: Mapping[str, Ask]
    client: Path
    dialect: str = "varlink"
    setup: str | None = None
    _place: Place | None = field(default=None)

    def burst(self, work: str, mode: Mode, place: Place, count: int, warm: int) -> Burst:
        """Make so many requests. Raises CalledProcessError where one of them fails."""
        self.settle(place)
        before = self.child.cpu_ns()
        line = self.ask(work, mode, place, count, warm)
        computed = self.child.cpu_ns() - before
        items = self.asks[work].items
        burst = Burst.of(line, mode, items)
        return burst.with_cpu(computed / (count + warm) / items)

    def instructions(self, work: str, mode: Mode, count: int) -> float:
        """Return how many the server, and the kernel for it, execute for each item; 0: unknown."""
        self.settle(Place.PINNED)
        with self.child.counted() as executed:
            self.ask(work, mode, Place.PINNED, count, 0)
            return executed() / count / self.asks[work].items

    def settle(self, place: Place) -> None:
        """Have the server run where it should."""
        if place is not self._place:
            self.child.stay_on(processors(place))
            self._place = place

    def ask(self, work: str, mode: Mode, place: Place, count: int, warm: int) -> str:
        """Run the client, and return what it prints."""
        command: list[str | Path] = [self.client, "-p", self.dialect, "-m", mode.value]
        command += ["-n", str(count), "-w", str(warm)]
        if mode is Mode.PIPELINED:
            command += ["-c", str(CONNECTIONS), "-q", str(UNDER_WAY)]
        if place is Place.PINNED:
            command += ["-k", str(max(processors(place)))]
        if self.setup is not None:
            command += ["-s", self.setup]
        command += [self.address, *self.asks[work].steps]
        return subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=CLIENT_SECONDS,
        ).stdout
