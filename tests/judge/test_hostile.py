# SPDX-License-Identifier: MIT
"""Descriptors that hang whoever closes them: the daemon never does, and serves others meanwhile."""

import os
import signal
import socket
from pathlib import Path
from select import select
from time import monotonic

import pytest

from fdbrokerd import deadline
from fdbrokerd.errors import InvalidArgument, TimedOut
from fdbrokerd.fd import OwnedFd
from fdbrokerd.opener import Received, closer
from fdbrokerd.opener import pool as module
from fdbrokerd.opener.zygote import Child
from tests.core.made import OTHER
from tests.core.processes import until

from .desk import Deposit, Desk, an_eventfd
from .fuse import unflushable
from .syscalls import lingering

LINGER = 30
"""Seconds; whoever closes last waits for them."""

SOON = 1.0
"""Seconds that nothing here may take, and that the loop may never stand still."""


def is_gone(peer: socket.socket) -> bool:
    """Tell whether the other end of a pair was closed."""
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:  # with something in it that nobody has read
        return True


def test_a_fuse_file_that_never_answers(desk: Desk, place: Path) -> None:
    deposit = Deposit()
    with unflushable(place, deposit.peer):
        began = monotonic()
        with desk.turning() as longest:
            made = desk.take_in(deposit, "stuck")
            assert isinstance(made, InvalidArgument)
            assert made.argument == "stuck"
            assert "not known here" in made.reason
            good = desk.put(an_eventfd(), uid=OTHER)
            assert isinstance(good, Received)
        assert monotonic() - began < SOON
        assert longest[0] < SOON
        good.close()
        assert desk.pool._given_up, "it hangs, and is counted"
    desk.until(lambda: not desk.pool._given_up)
    deposit.close()


def test_a_fuse_file_that_nobody_commits(desk: Desk, place: Path) -> None:
    """It is never installed, so nobody sends the FLUSH that is not answered."""
    deposit = Deposit()
    with unflushable(place, deposit.peer), desk.turning() as longest:
        desk.pool.drain(deposit.ours, 1000)
        assert deposit.ours.closed
        desk.until(lambda: is_gone(deposit.peer))
        assert not desk.pool._closer._stuck
    assert longest[0] < SOON
    deposit.close()


def test_a_socket_that_lingers_and_is_refused(desk: Desk) -> None:
    sender, rest = lingering(LINGER)
    began = monotonic()
    with desk.turning() as longest:
        made = desk.put(OwnedFd(sender.detach()), accept=frozenset({"memfd"}))
        assert isinstance(made, InvalidArgument)
        desk.until(lambda: not desk.pool._given_up)  # a process that ends does not linger
    assert monotonic() - began < SOON * 5
    assert longest[0] < SOON
    for one in rest:
        one.close()


def test_a_second_message_that_lingers(desk: Desk) -> None:
    deposit = Deposit()
    sender, rest = lingering(LINGER)
    with an_eventfd() as good:
        deposit.put(good.fileno())
    with sender:
        deposit.put(sender.fileno())
    with desk.turning() as longest:
        assert isinstance(desk.take_in(deposit, "a"), InvalidArgument)
        desk.until(lambda: not desk.pool._given_up)
    assert longest[0] < SOON
    deposit.close()
    for one in rest:
        one.close()


def test_a_deposit_with_what_lingers_is_drained(desk: Desk) -> None:
    deposit = Deposit()
    sender, rest = lingering(LINGER)
    deposit.put(sender.fileno())
    desk.pool.dismiss([OwnedFd(sender.detach())])
    with desk.turning() as longest:
        desk.pool.drain(deposit.ours, 1000)
        desk.until(lambda: not desk.pool._closer._waiting and not desk.pool._closer._deadline)
        desk.until(lambda: not desk.pool._closer._stuck)
    assert longest[0] < SOON
    deposit.close()
    for one in rest:
        one.close()


def test_what_lingers_is_dismissed(desk: Desk) -> None:
    """Our copy goes first, so it is the child that lingers, is killed, and another goes on."""
    sender, rest = lingering(LINGER)
    one, other = socket.socketpair()
    with desk.turning() as longest:
        desk.pool.dismiss([OwnedFd(sender.detach())])
        first = desk.pool._closer._child
        assert first is not None
        desk.pool.dismiss([OwnedFd(one.detach())])
        assert not is_gone(other), "it waits for the child"
        desk.until(lambda: is_gone(other))
        second = desk.pool._closer._child
        assert second is not None
        assert second.pid != first.pid
        desk.until(lambda: not desk.pool._closer._stuck)
    assert longest[0] < SOON
    other.close()
    for each in rest:
        each.close()


def test_what_was_taken_and_lingers_is_not_closed_by_us(desk: Desk) -> None:
    """The sender has set it again after it was judged."""
    sender, rest = lingering(LINGER)
    copy = OwnedFd.copy_of(sender.fileno())
    made = desk.put(OwnedFd(sender.detach()))
    assert isinstance(made, Received)
    with socket.socket(fileno=copy.detach()) as again:
        linger = (1).to_bytes(4, "little") + LINGER.to_bytes(4, "little")
        again.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        desk.pool.dismiss([OwnedFd(again.detach())])
    with desk.turning() as longest:
        desk.pool.dismiss(made.descriptors)
        desk.until(lambda: not desk.pool._closer._waiting and not desk.pool._closer._deadline)
    assert longest[0] < SOON
    for one in rest:
        one.close()


def test_a_stuck_intake_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped, for want of a sort of descriptor that hangs the judging."""
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.05)
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno())
    child = desk.pool._zygote.child()
    os.kill(child.pid, signal.SIGSTOP)
    desk.pool._idle.add(child, closing=False)
    made = desk.take_in(deposit, "a")
    assert isinstance(made, TimedOut)
    assert made.resource == "store/item"
    monkeypatch.undo()
    desk.until(lambda: not desk.pool._given_up)
    good = desk.put(an_eventfd())
    assert isinstance(good, Received)
    good.close()
    deposit.close()


def test_an_answer_that_comes_too_late_is_not_closed_by_us(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.0)
    monkeypatch.setattr(deadline, "LOOK_AGAIN_SECONDS", 0.0)
    deposit = Deposit()
    sender, rest = lingering(LINGER)
    deposit.put(sender.fileno())
    with monkeypatch.context() as patch:
        patch.setattr(Child, "kill", lambda _: None)
        made = desk.take_in(deposit, "a")
        assert isinstance(made, TimedOut)
        (work,) = desk.pool._given_up
        until(lambda: answered(work.child))
    linger = (1).to_bytes(4, "little") + LINGER.to_bytes(4, "little")
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    desk.pool.dismiss([OwnedFd(sender.detach())])
    with desk.turning() as longest:
        work.child.kill()
        desk.until(lambda: not desk.pool._given_up)
        desk.until(lambda: not desk.pool._closer._waiting and not desk.pool._closer._deadline)
    assert longest[0] < SOON
    deposit.close()
    for one in rest:
        one.close()


def answered(child: Child) -> bool:
    """Tell whether an answer lies there, without taking it."""
    return bool(select([child.channel], [], [], 0)[0])


def test_only_so_many_stuck_closers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closer, "DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(closer, "MAX_STUCK", 1)
    sender, rest = lingering(LINGER)
    one, other = socket.socketpair()
    with monkeypatch.context() as patch:
        patch.setattr(Child, "kill", lambda _: None)
        desk.pool.dismiss([OwnedFd(sender.detach())])
        desk.until(lambda: desk.pool._closer._stuck)
        desk.pool.dismiss([OwnedFd(one.detach())])
        assert not is_gone(other)
        assert desk.pool._closer._waiting
    for stuck in desk.pool._closer._stuck:
        stuck.kill()
    desk.until(lambda: is_gone(other))
    other.close()
    for each in rest:
        each.close()


def test_who_hangs_closers_holds_up_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer, "DEADLINE_SECONDS", 0.05)
    hanging = [lingering(LINGER) for _ in range(closer.MAX_STUCK_PER_UID + 1)]
    one, other = socket.socketpair()
    with monkeypatch.context() as patch:
        patch.setattr(Child, "kill", lambda _: None)
        for sender, _ in hanging:
            desk.pool.drain(OwnedFd(sender.detach()), 1000)
            desk.until(lambda: desk.pool._closer._deadline is None)
        assert len(desk.pool._closer._stuck) == closer.MAX_STUCK_PER_UID
        assert list(desk.pool._closer._waiting) == [1000]
        desk.pool.drain(OwnedFd(one.detach()), 1001)
        desk.until(lambda: is_gone(other))
    for stuck in desk.pool._closer._stuck:
        stuck.kill()
    desk.until(lambda: not desk.pool._closer._waiting)
    other.close()
    for _, rest in hanging:
        for each in rest:
            each.close()
