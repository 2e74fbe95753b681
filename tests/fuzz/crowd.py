# SPDX-License-Identifier: MIT
"""Connections by the thousand that say half a message and no more."""

import os
import select
import socket
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fdbrokerd.fd import OwnedFd
from tests.daemon.broker import Files, RunningBroker, running
from tests.daemon.identity import User
from tests.daemon.process import resident_kib
from tests.daemon.wire import MANAGER, Wire, call

from .ledger import Ledger

OF_EACH = 200
"""Connections of one uid."""

HALF = call("Get", resource="bell", arguments={"a": "b" * 200})[:-1]

WAIT_SECONDS = 60.0
KIB_OF_EACH = 12
"""The daemon's own memory for a connection, with the kernel's rounding: measured at six."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What there was, and what it cost."""

    connections: int
    users: int
    most_at_once: int
    seconds: float
    resident_kib_growth: int
    slowest_answer_ms: float
    answers: int
    records: int


def half_open(directory: Path, count: int, message_seconds: int = 10) -> Crowd:
    """Have so many connections at once; fail where others wait, or any is left or not recorded."""
    limits = f"connections: {count + 100}, connections-per-uid: {OF_EACH}"
    files = Files(directory, limits=f"{{{limits}, message-seconds: {message_seconds}}}")
    with running(files) as broker, Wire(broker.address) as wire:
        assert wire.is_served()
        opened = broker.descriptors_named("socket:")
        resident = resident_kib(broker.pid)
        shares = [min(OF_EACH, count - begun) for begun in range(0, count, OF_EACH)]
        began = time.monotonic()
        children = [_start(broker.address, 1000 + at, share) for at, share in enumerate(shares)]
        most, slowest, answers, most_kib = _ask(broker, wire, [end for _, end in children])
        for pid, end in children:
            end.close()
            assert os.waitpid(pid, 0)[1] == 0, "a connection was not hung up"
        seconds = time.monotonic() - began
        broker.status()
        ledger = Ledger(files.audit)
        ledger.read()
        assert dict(ledger.of_outcome) == {"hung-up": count}
        assert broker.descriptors_named("socket:") == opened
        growth = most_kib - resident
        assert growth < count * KIB_OF_EACH + 4096, f"{growth} KiB for {count} connections"
        assert slowest < message_seconds / 2, "the crowd holds up others"
        return Crowd(
            count, len(shares), most, round(seconds, 1), growth, round(slowest * 1000, 1), answers,
            ledger.of_outcome.total(),
        )  # fmt: skip


def _ask(broker: RunningBroker, wire: Wire, ends: Sequence[OwnedFd]) -> tuple[int, float, int, int]:
    """Ask until all have ended.

    Return the most connections, the slowest answer, how many there were, and the most memory.
    """
    most = answers = most_kib = 0
    slowest = 0.0
    waiting = {end.fileno() for end in ends}
    while waiting:
        began = time.monotonic()
        connections = int(wire.call(f"{MANAGER}Status").parameters["connections"])
        slowest = max(slowest, time.monotonic() - began)
        most, answers = max(most, connections - 1), answers + 1
        most_kib = max(most_kib, resident_kib(broker.pid))
        waiting -= set(select.select(list(waiting), [], [], 0.02)[0])
    return most, slowest, answers, most_kib


def _start(address: str, uid: int, count: int) -> tuple[int, OwnedFd]:
    pid = os.fork()
    if pid == 0:
        _be(address, uid, count)
    return pid, OwnedFd(os.pidfd_open(pid))


def _be(address: str, uid: int, count: int) -> NoReturn:
    """Connect, say half, and wait to be hung up on, by each."""
    status = 1
    try:
        User(uid).become()
        with ExitStack() as stack:
            waiting = set()
            for _ in range(count):
                one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                one.connect(f"\0{address[1:]}")
                one.send(HALF)
                waiting.add(one)
            while waiting:
                readable = select.select(list(waiting), [], [], WAIT_SECONDS)[0]
                assert readable, f"{len(waiting)} are not hung up"
                assert not any(one.recv(1) for one in readable), "half a message was answered"
                waiting -= set(readable)
        status = 0
    except BaseException:  # noqa: BLE001 (nothing may come back into the caller from here)
        traceback.print_exc()
    finally:
        os._exit(status)
