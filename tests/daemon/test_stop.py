# SPDX-License-Identifier: MIT
"""The end: what was asked is answered, and nothing stays behind."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import slow_kind
from .broker import COMMANDS, ROOT, Files, RunningBroker, running
from .identity import User
from .process import PATIENCE, descendants, wait_until_ended
from .programs import run_forked
from .slow_kind import SlowKind
from .wire import Wire, call

PERSON = User(1000)
CALL = call("WhoAmI")
SLOW = call("Get", resource="slow")


@contextmanager
def slow_broker(directory: Path, loop: str) -> Iterator[tuple[SlowKind, RunningBroker]]:
    """Run a daemon with a kind that opens when the test says so."""
    files = Files(directory, slow_kind.RULES)
    with (
        SlowKind(directory) as slow,
        running(files, COMMANDS[loop], PYTHONPATH=f"{ROOT}:{slow.packages}") as broker,
    ):
        yield slow, broker


def test_requests_in_hand_are_finished(tmp_path: Path, loop: str) -> None:
    with slow_broker(tmp_path, loop) as (slow, broker):
        with (
            Wire(broker.address, PERSON) as wire,
            Wire(broker.address, PERSON) as later,
            Wire(broker.address) as idle,
        ):
            assert idle.is_served()
            wire.send(SLOW + CALL * 2)
            slow.wait_begun()
            wire.send(call("Get", resource="pty") + CALL[:9])
            later.send(SLOW)
            slow.wait_begun()
            family = descendants(broker.pid)
            assert len(family) == 3
            broker.signal(signal.SIGTERM)
            broker.notifications.until("STOPPING")
            assert idle.is_hung_up(), "nothing is asked there"
            slow.let_go()
            assert len(wire.receive().descriptors) == 1
            assert wire.receive().error == wire.receive().error == ""
            assert len(wire.receive().descriptors) == 2, "it was sent before the end was asked for"
            assert wire.is_hung_up()
            assert len(later.receive().descriptors) == 1
            assert later.is_hung_up()
        assert broker.process.wait(PATIENCE) == 0
        wait_until_ended(family)
        assert not os.path.exists(broker.files.path)
        records = [one for one in broker.lines() if one["outcome"] != "answered"]
        assert [one["outcome"] for one in records] == ["granted"] * 3


def test_a_request_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    with slow_broker(tmp_path, "uvloop") as (slow, broker):
        with Wire(broker.address, PERSON) as wire:
            wire.send(SLOW)
            slow.wait_begun()
            broker.signal(signal.SIGTERM)
            assert wire.receive().error == "TimedOut"
            assert wire.is_hung_up()
        assert broker.process.wait(PATIENCE) == 0
        (record,) = broker.lines()
        assert record["outcome"] == "failed"


def test_kill_leaves_no_children(tmp_path: Path) -> None:
    with slow_broker(tmp_path, "uvloop") as (slow, broker), Wire(broker.address, PERSON) as wire:
        wire.send(SLOW)
        slow.wait_begun()
        family = descendants(broker.pid)
        assert len(family) == 2
        broker.process.kill()
        assert broker.process.wait(PATIENCE) == -signal.SIGKILL
        assert wire.is_hung_up()
        wait_until_ended(family)
        assert os.path.exists(broker.files.path)
        # What it left behind is replaced by the next one.
        with (
            running(broker.files, PYTHONPATH=f"{ROOT}:{slow.packages}") as successor,
            Wire(broker.files.path) as again,
        ):
            assert again.call("Get", resource="pty").error == ""
            assert successor.stop() == 0
        assert not os.path.exists(broker.files.path)


def test_second_daemon(files: Files) -> None:
    with running(files) as broker:
        for address in (files.address, files.path):
            other = Files(
                make(files.directory / str(len(address))), listen=f'[{{address: "{address}"}}]'
            )
            done = run_forked("--config", str(other.settings))
            assert done.returncode == 71
            said = f"fdbrokerd: cannot listen at {address}: Address already in use\n"
            assert done.stderr == said
            with Wire(address) as wire:
                assert wire.is_served()
        assert broker.stop() == 0


def make(directory: Path) -> Path:
    """Make a directory and return it."""
    directory.mkdir()
    return directory


def test_a_path_that_is_no_longer_ours_stays(files: Files) -> None:
    with running(files) as broker, socket.socket(socket.AF_UNIX) as successor:
        os.unlink(files.path)
        successor.bind(files.path)
        assert broker.stop() == 0
        assert os.path.exists(files.path)
    os.unlink(files.path)


@pytest.mark.parametrize(
    ("loop", "number"), [("uvloop", signal.SIGTERM), ("asyncio", signal.SIGINT)]
)
def test_signals_in_quick_succession(files: Files, loop: str, number: signal.Signals) -> None:
    with running(files, COMMANDS[loop]) as broker:
        for each in (signal.SIGHUP, number, signal.SIGHUP, number):
            broker.signal(each)
        assert broker.process.wait(PATIENCE) == 0
