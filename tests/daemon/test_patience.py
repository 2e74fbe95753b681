# SPDX-License-Identifier: MIT
"""Peers that are slow: to finish a message, or to read what they asked for."""

import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from . import slow_kind
from .broker import COMMANDS, ROOT, Files, RunningBroker, running
from .conftest import RULES
from .identity import User
from .process import descriptors, resident_kib
from .slow_kind import SlowKind
from .wire import HungUp, Wire, call

PERSON, OTHER = User(1000), User(1001)
CALL = call("WhoAmI")
LIMITS = "{message-seconds: 1, reply-seconds: 1}"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    """Run a daemon that gives a peer one second."""
    files = Files(tmp_path_factory.mktemp("impatient"), RULES, limits=LIMITS)
    with running(files, COMMANDS[loop]) as broker:
        yield broker


def test_silent_or_slow(impatient: RunningBroker) -> None:
    impatient.forget()
    with (
        Wire(impatient.address, PERSON) as idle,
        Wire(impatient.address, PERSON) as silent,
        Wire(impatient.address, PERSON) as slow,
        Wire(impatient.address, PERSON) as late,
    ):
        silent.send(CALL[:-1])
        slow.send(CALL + CALL[:1])
        assert slow.receive().error == ""
        late.send(b" ")
        with suppress(BrokenPipeError, ConnectionResetError):
            while not select.select([late.socket], [], [], 0.05)[0]:
                late.send(b" ")  # each byte in time, the message never
        assert late.is_hung_up()
        assert silent.is_hung_up()
        assert slow.is_hung_up()
        assert idle.is_served(), "no message has begun there"
        records = [one for one in impatient.records() if one["outcome"] == "hung-up"]
        assert [one["detail"] for one in records] == ["half a message and then silence"] * 3


def test_a_peer_that_never_reads(impatient: RunningBroker) -> None:
    """It costs a bounded number of bytes and descriptors, and in the end its connection."""
    impatient.forget()
    with Wire(impatient.address, OTHER) as other, Wire(impatient.address, PERSON) as greedy:
        assert other.is_served()
        before, memory = descriptors(impatient.pid).total(), resident_kib(impatient.pid)
        rest = call("Get", resource="pty") * 10_000
        most = 0
        greedy.socket.setblocking(False)
        try:
            while rest:
                try:
                    rest = rest[greedy.send(rest[:65536]) :]
                except BlockingIOError:
                    select.select([], [greedy.socket], [], 0.02)
                assert other.call("Get", resource="pty").error == ""
                other.close_descriptors()
                most = max(most, descriptors(impatient.pid).total() - before)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert rest, "it took all that was never read"
        assert most <= 4
        assert resident_kib(impatient.pid) - memory < 4096
        assert other.is_served()
        greedy.socket.setblocking(True)
        with suppress(HungUp):
            for received in range(1000):
                assert received < 200, "too many are in flight"
                greedy.receive()
    mine = [one for one in impatient.records() if one["peer"]["uid"] == PERSON.uid]
    assert {one["outcome"] for one in mine[:-2]} == {"granted"}
    assert [(one["outcome"], one["detail"]) for one in mine[-2:]] == [
        ("hung-up", "a reply stays unread"),
        ("failed", "the peer did not read it"),
    ]


def test_the_time_of_a_message_waits_while_we_do_not_read(tmp_path: Path) -> None:
    """The broker's own slowness is not the peer's."""
    files = Files(tmp_path, slow_kind.RULES, limits=LIMITS)
    with (
        SlowKind(tmp_path) as slow,
        running(files, PYTHONPATH=f"{ROOT}:{slow.packages}") as broker,
        Wire(broker.address, PERSON) as wire,
    ):
        wire.send(call("Get", resource="slow") + CALL[:-1])
        slow.wait_begun()
        wire.send(CALL[-1:])
        assert not select.select([wire.socket], [], [], 1.3)[0], "it is hung up"
        slow.let_go()
        assert len(wire.receive().descriptors) == 1
        assert wire.receive().error == ""
