# SPDX-License-Identifier: MIT
"""Many users at once: who waits how long among 10,000 connections, and beside one who floods."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.burst import Burst, Mode
from bench.child import PATIENCE, Child
from bench.extent import Scaling
from bench.ground import Ground
from bench.measured import Measured, Spread
from bench.memory import raise_descriptor_limit
from bench.peers.broker import Setting, broker
from bench.peers.peer import Peer
from bench.peers.rules import CROWD
from bench.peers.varlink import STORED
from fdbrokerd import Client

ASKING = 2
"""Connections of each user that ask; the others are idle."""

INTERVAL_MICROSECONDS = 50_000
"""Between the requests of each of those who do not flood: a fifth of what a daemon can do."""

FLOOD_CONNECTIONS = 64
FLOOD_DEPTH = 32
"""Requests under way on each of them."""

FLOOD_PROCESSES = 8
"""Of the flood of connections: each opens one, asks, closes it, and begins again."""

FLOOD_REQUESTS = 1_000_000_000
"""It does not end by itself."""

IN_EFFECT = 500
"""Requests of a flood that are answered before the others begin."""

_ROOM = 1_000
"""Descriptors that a daemon needs beside those of connections."""

AMONG = "200 of the crowd, at once"
PACED = "200 of the crowd, by the clock"
ALONE = "99 users, no flood"
BESIDE_CALLS = "99 users, flood of calls"
BESIDE_CONNECTIONS = "99 users, flood of connections"
CONNECTIONS = "connections of the crowd"
COUNTS = (CONNECTIONS,)
"""Figures that are no times."""

MEDIAN, P99, MOST = "median", "p99", "longest"
WAITS = (MEDIAN, P99, MOST)
RATE = "requests a second"


def figure(of: str, what: str) -> str:
    """Return the figure's name."""
    return f"{of}, {what}"


def longest(of: str, measured: Measured) -> Spread | None:
    """Return how many times the median the longest wait of a round was."""
    return measured.figure_ratio(figure(of, MOST), figure(of, MEDIAN))


def slower(beside: str, measured: Measured) -> Spread | None:
    """Return how many of the users' requests were answered alone for each one beside a flood."""
    return measured.figure_ratio(figure(ALONE, RATE), figure(beside, RATE))


def added_ms(beside: str, what: str, measured: Measured) -> Spread | None:
    """Return how many milliseconds longer than alone they waited beside a flood."""
    alone = measured.figures.get(figure(ALONE, what))
    flooded = measured.figures.get(figure(beside, what))
    if alone is None or flooded is None:
        return None
    return Spread.of((b - a) / 1e6 for a, b in zip(alone, flooded, strict=True))


def measure(extent: Scaling, ground: Ground, directory: Path, measured: Measured) -> None:
    """Have a hundred users ask."""
    if os.geteuid() != 0:
        measured.missing["crowd"] = "needs root, for a hundred users"
        return
    if len(CROWD) * extent.each + _ROOM > raise_descriptor_limit():
        measured.missing["crowd"] = "the limit on open files is too low"
        return
    directory.parent.chmod(0o711)  # its programs are run by others
    for part in (_among, _beside):
        own = directory / part.__name__
        own.mkdir()
        with broker(ground, own, Setting(crowd=True)) as peer:
            peer.child.stay_on({max(os.sched_getaffinity(0))})
            _put_first(peer)
            part(extent, ground, own, peer, measured)
    measured.add_figure(CONNECTIONS, len(CROWD) * extent.each)


def _put_first(peer: Peer) -> None:
    """Have the daemon run before whatever else runs there, as the crowd does, where we may.

    The longest of thousands of waits is to be one for the daemon, and a fair scheduler lets it wait
    for milliseconds. Where it computes all the time and others would like to, it is stopped once a
    second for 50 ms (sched(7)): that shows in the longest wait of a round, not in the median.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(peer.child.pid, os.SCHED_RR, os.sched_param(1))


@contextmanager
def _crowd(
    peer: Peer, ground: Ground, directory: Path, users: int, each: int, active: int
) -> Iterator[Child]:
    """Run so many users, connected, on the processors that the daemon leaves them."""
    (step,) = peer.asks[STORED].steps
    line = [*_elsewhere(), str(ground.binaries.crowd), "-u", str(CROWD[0]), "-U", str(users)]
    line += ["-c", str(each), "-a", str(active), peer.address, step]
    with Child(line, log=directory / "crowd", speaks=True, hears=True) as child:
        child.hear()
        yield child


def _elsewhere() -> Sequence[str]:
    """Return the command that runs one on all processors but the last, where there are several."""
    mine = sorted(os.sched_getaffinity(0))
    others = ",".join(map(str, mine[:-1] or mine))
    return ("taskset", "--cpu-list", others)


def _round(crowd: Child, title: str, count: int, interval: int, measured: Measured) -> None:
    crowd.say(f"{count} {interval}")
    burst = Burst.of(crowd.hear(), Mode.ONE)
    for what, value in zip(WAITS, (burst.median, burst.p99, burst.most), strict=True):
        measured.add_figure(figure(title, what), value)
    measured.add_figure(figure(title, RATE), 1e9 / burst.mean)


def _among(
    extent: Scaling, ground: Ground, directory: Path, peer: Peer, measured: Measured
) -> None:
    with _crowd(peer, ground, directory, len(CROWD), extent.each, ASKING) as crowd:
        for _ in range(extent.crowd_rounds):
            _round(crowd, AMONG, extent.requests, 0, measured)
            _round(crowd, PACED, extent.paced, ASKING * INTERVAL_MICROSECONDS, measured)


def _beside(
    extent: Scaling, ground: Ground, directory: Path, peer: Peer, measured: Measured
) -> None:
    with _crowd(peer, ground, directory, len(CROWD) - 1, 1, 1) as crowd:
        for number in range(extent.crowd_rounds):
            _round(crowd, ALONE, extent.paced, INTERVAL_MICROSECONDS, measured)
            for index, (title, flood) in enumerate(_FLOODS.items()):
                own = directory / f"flood-{number}-{index}"
                with _flooding(peer, ground, own, *flood):
                    _round(crowd, title, extent.paced, INTERVAL_MICROSECONDS, measured)


_CALLS = ("-m", Mode.PIPELINED, "-c", str(FLOOD_CONNECTIONS), "-q", str(FLOOD_DEPTH))
_FLOODS = {
    BESIDE_CALLS: (1, _CALLS),
    BESIDE_CONNECTIONS: (FLOOD_PROCESSES, ("-m", Mode.EACH)),
}


@contextmanager
def _flooding(
    peer: Peer, ground: Ground, directory: Path, processes: int, options: Sequence[str]
) -> Iterator[None]:
    """Have one user ask as much as it can, in so many processes."""
    directory.mkdir()
    uid = str(CROWD[-1])
    line = [*_elsewhere(), "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
    line += ["--pdeathsig", "KILL", str(ground.binaries.client), *options]
    line += ["-n", str(FLOOD_REQUESTS), peer.address, *peer.asks[STORED].steps]
    with ExitStack() as stack:
        for index in range(processes):
            stack.enter_context(Child(line, log=directory / f"log-{index}"))
        _await_requests(peer, IN_EFFECT)
        yield


def _await_requests(peer: Peer, count: int) -> None:
    """Wait until so many more requests were answered."""
    end = time.monotonic() + PATIENCE
    with Client(peer.address) as client:
        until = _requests(client) + count
        while _requests(client) < until:
            if time.monotonic() > end:
                raise RuntimeError("a flood does not begin")
            time.sleep(0.005)


def _requests(client: Client) -> int:
    found = client.status()["requests"]
    assert isinstance(found, int)
    return found
