# SPDX-License-Identifier: MIT
"""The daemon stands still for longer than any of its timers, and nobody pays for that.

SIGSTOP is what a frozen cgroup, a debugger and a suspended machine look like from within: what was
sent meanwhile is there when it goes on, together with every deadline that has passed.
"""

import os
import select
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import slow_kind
from .broker import COMMANDS, ROOT, Files, RunningBroker, running
from .identity import User
from .items import put_eventfd
from .process import descendants, wait_until
from .slow_kind import SlowKind
from .wire import Wire, call

PERSON = User(1000)
CALL = call("WhoAmI")
LIMITS = "{message-seconds: 1, reply-seconds: 1}"
LONG_SECONDS = 1.5
"""More than those limits."""

LONGER_SECONDS = 2.3
"""More than a child may take."""

STORE = """
resources:
  slots: {kind: store}
  pty: {kind: pty}
rules:
  - {id: people, allow: slots, do: [put, get, list, remove], peer: {uid: ["0", "1000-59999"]}}
  - {id: terminals, allow: pty, peer: {uid: ["0", "1000-59999"]}}
"""


@contextmanager
def standing_still(broker: RunningBroker, seconds: float) -> Iterator[None]:
    """Stop it; what is sent in the block is there when it goes on, so many seconds later."""
    broker.signal(signal.SIGSTOP)
    try:
        yield
        assert not select.select([], [], [], seconds)[0]  # the pause itself, not a wait
    finally:
        broker.signal(signal.SIGCONT)


@pytest.fixture
def broker(tmp_path: Path, loop: str) -> Iterator[RunningBroker]:
    """Run a daemon that gives a peer one second."""
    with running(Files(tmp_path, STORE, limits=LIMITS), COMMANDS[loop]) as broker:
        yield broker


def test_what_was_sent_meanwhile_is_answered(broker: RunningBroker) -> None:
    with (
        Wire(broker.address, PERSON) as half,
        Wire(broker.address, PERSON) as whole,
        Wire(broker.address, PERSON) as idle,
    ):
        for wire in (half, whole, idle):
            assert wire.is_served()
        half.send(CALL[:9])
        assert idle.is_served(), "which it has read, too, by now"
        with standing_still(broker, LONG_SECONDS):
            half.send(CALL[9:])
            whole.send(call("Get", resource="pty") + CALL)
            late = Wire(broker.address, PERSON)
            late.send(CALL)
        with late:
            assert half.receive().error == ""
            assert len(whole.receive().descriptors) == 2
            assert whole.receive().error == late.receive().error == ""
            assert idle.is_served()
        outcomes = Counter(one["outcome"] for one in broker.records())
        assert outcomes == {"answered": 8, "granted": 1}


def test_what_was_read_meanwhile_is_not_unread(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, Wire(broker.address) as other:
        wire.send(call("Get", resource="pty", count=64) * 2)
        wait_until(lambda: other.is_served() and bool(broker.descriptors_named("/dev/ptmx")), "")
        with standing_still(broker, LONG_SECONDS):
            assert len(wire.receive().descriptors) == 128
            wire.close_descriptors()
        assert len(wire.receive().descriptors) == 128
        assert wire.is_served()


def test_what_a_child_has_opened_meanwhile_is_handed_over(tmp_path: Path, loop: str) -> None:
    files = Files(tmp_path, slow_kind.RULES)
    with (
        SlowKind(tmp_path) as slow,
        running(files, COMMANDS[loop], PYTHONPATH=f"{ROOT}:{slow.packages}") as broker,
        Wire(broker.address, PERSON) as wire,
    ):
        wire.send(call("Get", resource="slow"))
        slow.wait_begun()
        with standing_still(broker, LONGER_SECONDS):
            slow.let_go()
        assert len(wire.receive().descriptors) == 1


def test_what_has_had_its_time_meanwhile_is_nobodys(broker: RunningBroker) -> None:
    """Asked for before the alarm can have been heard of."""
    put_eventfd(broker, "slots/short", ttlUSec=1_000_000)
    put_eventfd(broker, "slots/long", ttlUSec=3600 * 1_000_000)
    with Wire(broker.address, PERSON) as wire:
        assert wire.is_served()
        with standing_still(broker, LONG_SECONDS):
            wire.send(call("Get", resource="slots/short") + call("Get", resource="slots/long"))
        assert wire.receive().error == "NoSuchItem"
        assert len(wire.receive().descriptors) == 1


def test_a_child_that_stands_still_is_given_up(tmp_path: Path) -> None:
    """Others are served meanwhile, and it serves nobody when it goes on."""
    files = Files(tmp_path, slow_kind.RULES)
    with (
        SlowKind(tmp_path) as slow,
        running(files, PYTHONPATH=f"{ROOT}:{slow.packages}") as broker,
        Wire(broker.address, PERSON) as wire,
        Wire(broker.address, PERSON) as other,
    ):
        before = descendants(broker.pid)
        wire.send(call("Get", resource="slow"))
        slow.wait_begun()
        (child,) = descendants(broker.pid) - before
        os.kill(child, signal.SIGSTOP)
        while not select.select([wire.socket], [], [], 0)[0]:
            assert other.is_served()
        assert wire.receive().error == "TimedOut"
        assert other.is_served()
        assert descendants(broker.pid) == before, "SIGKILL ends what stands still"
