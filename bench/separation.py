# SPDX-License-Identifier: MIT
"""What it would cost to have a second process open everything: `python -m bench.separation`.

A privileged opener beside an unprivileged front answers a request in one more round trip, with the
descriptors passed once more. Measured as the time from a decided request to its descriptors, by
itself, of four ways in turn:

    here       opened in this process, as the daemon does
    fixed      by a process with a small protocol: a number and two ids there, descriptors back
    child      by the daemon's opener child: a pickled job there, an answer in JSON back
    hop        nothing is opened: a byte there and back, which no protocol can go below

Twice: both processes on one processor, and on one each, where waking a process on an idle one costs
more than its work. docs/security.md has what was decided by it.
"""

import argparse
import os
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from bench.counter import instructions
from fdbrokerd.fd import close_all
from fdbrokerd.kinds import kind_of
from fdbrokerd.model.key import Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opener import Job, Zygote
from fdbrokerd.opener.answer import decode
from fdbrokerd.opener.child import open_now, serve
from fdbrokerd.opener.job import pack
from fdbrokerd.opener.packet import receive, send

Way = Callable[[], None]

ROUNDS = 60
TIMES = 100
"""Requests in a round: a round is a few milliseconds, short beside what disturbs it."""

_ORDER = struct.Struct("3I")
"""Which resource, for which uid and gid: all that the opener, with the rules, needs to be told."""

_OPENED = b"o"


def _jobs() -> Mapping[str, Job]:
    uid, gid = os.geteuid(), os.getegid()
    peer = Peer(os.getpid(), uid, gid, frozenset({gid}))
    keys = {"pty": Values(), "file": Values(path="/etc/hostname", access="read")}
    return {
        name: Job(name, kind_of(name).spec(values, frozenset()), Request("get", name, {}), peer)
        for name, values in keys.items()
    }


def _here(job: Job) -> None:
    open_now(job, may_wait=False).close()


def _child(channel: socket.socket, job: Job) -> None:
    send(channel, pack(job))
    data, received, _ = receive(channel)
    answer, error = decode(data)
    assert error is None
    assert len(answer.names) == len(received)
    close_all(received)


def _fixed(channel: socket.socket, number: int, peer: Peer) -> None:
    channel.send(_ORDER.pack(number, peer.uid, peer.gid))
    data, received, _ = receive(channel)
    assert data == _OPENED
    close_all(received)


def _hop(channel: socket.socket) -> None:
    channel.send(_OPENED)
    channel.recv(1)


def _open_by_number(jobs: Sequence[Job], channel: socket.socket) -> None:
    """Serve the fixed protocol: the kind and its specification are known here."""
    while order := channel.recv(_ORDER.size):
        number, uid, gid = _ORDER.unpack(order)
        job = jobs[number]
        peer = Peer(0, uid, gid, frozenset({gid}))
        opened = open_now(Job(job.kind, job.spec, job.request, peer), may_wait=False)
        send(channel, _OPENED, [one.fileno() for one in opened.descriptors])
        opened.close()


def _echo(channel: socket.socket) -> None:
    while data := channel.recv(1):
        channel.send(data)


def _started(serving: Callable[[socket.socket], None], cpu: int, stack: ExitStack) -> socket.socket:
    """Return a blocking socket to a child of the daemon's own zygote, on a processor."""
    zygote = Zygote(serving)
    stack.callback(zygote.close)
    child = zygote.child()
    stack.callback(child.close)
    os.sched_setaffinity(child.pid, {cpu})
    child.channel.setblocking(True)
    return child.channel


def _round(way: Way, count: Callable[[], int] | None) -> tuple[float, float]:
    """Return the microseconds and this process's instructions of one request."""
    before = count() if count else 0
    begun = time.perf_counter()
    for _ in range(TIMES):
        way()
    took = time.perf_counter() - begun
    after = count() if count else 0
    return took / TIMES * 1e6, (after - before) / TIMES


def _measured(
    cpus: tuple[int, int], jobs: Mapping[str, Job], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Return what each way cost in each round, with the processes on these processors."""
    found: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        os.sched_setaffinity(0, {cpus[0]})
        child = _started(serve, cpus[1], stack)
        fixed = _started(partial(_open_by_number, list(jobs.values())), cpus[1], stack)
        ways: dict[str, Way] = {"hop": partial(_hop, _started(_echo, cpus[1], stack))}
        for number, (name, job) in enumerate(jobs.items()):
            ways[f"{name} here"] = partial(_here, job)
            ways[f"{name} fixed"] = partial(_fixed, fixed, number, job.peer)
            ways[f"{name} child"] = partial(_child, child, job)
        count = instructions()
        for _ in range(rounds):
            for name, way in ways.items():
                found.setdefault(name, []).append(_round(way, count))
    return found


def main() -> int:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(prog="python -m bench.separation")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    jobs = _jobs()
    for place, pair in {"one processor": (cpus[0], cpus[0]), "two": (cpus[0], cpus[-1])}.items():
        found = _measured(pair, jobs, options.rounds)
        print(f"{place}, us a request: least, median; instructions here; more than opened here")
        for name, rounds in found.items():
            times = [took for took, _ in rounds]
            own = min(executed for _, executed in rounds)
            here = found.get(f"{name.split()[0]} here")
            more = ""
            if here is not None:
                differences = [one[0] - other[0] for one, other in zip(rounds, here, strict=True)]
                more = f"{statistics.median(differences):+8.1f}"
            print(f"  {name:12}{min(times):8.1f}{statistics.median(times):8.1f}{own:10.0f}{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
