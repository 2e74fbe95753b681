# SPDX-License-Identifier: MIT
"""Closing by a child: nothing is lost, whatever stands in the way."""

import os
import resource
import signal
import socket

import pytest

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.opener import closer
from fdbrokerd.opener import pool as module
from fdbrokerd.opener.zygote import Zygote
from tests.core.processes import open_numbers

from .desk import Deposit, Desk, a_desk, an_eventfd
from .syscalls import lingering
from .test_hostile import is_gone


def pairs(count: int) -> tuple[list[OwnedFd], list[socket.socket]]:
    """Return some sockets to be closed, and their other ends, which see it."""
    made = [socket.socketpair() for _ in range(count)]
    return [OwnedFd(one.detach()) for one, _ in made], [other for _, other in made]


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the child more time than this machine may need to begin one."""
    monkeypatch.setattr(closer, "DEADLINE_SECONDS", 5.0)


@pytest.mark.usefixtures("unhurried")
def test_more_than_fit_into_a_packet(desk: Desk) -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    ours, others = pairs(600)
    desk.pool.dismiss(ours)
    desk.until(lambda: all(is_gone(one) for one in others))
    assert all(one.closed for one in ours)
    assert desk.pool._closer._child is not None, "one child does it all"
    for one in others:
        one.close()


@pytest.mark.usefixtures("unhurried")
def test_a_child_is_kept_for_the_next(desk: Desk) -> None:
    pids = set()
    for _ in range(3):
        ours, (other,) = pairs(1)
        desk.pool.dismiss(ours)
        desk.until(lambda other=other: is_gone(other))  # type: ignore[misc]
        desk.until(lambda: desk.pool._closer._deadline is None)
        child = desk.pool._closer._child
        assert child is not None
        pids.add(child.pid)
        other.close()
    assert len(pids) == 1


def test_a_child_that_was_killed_is_replaced(desk: Desk) -> None:
    for _ in range(3):
        ours, (other,) = pairs(1)
        desk.pool.dismiss(ours)
        desk.until(lambda other=other: is_gone(other))  # type: ignore[misc]
        other.close()
        child = desk.pool._closer._child
        if child is not None:
            child.kill()


def test_the_limits_of_the_pool_are_not_for_this(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPENING", 0)
    ours, (other,) = pairs(1)
    desk.pool.dismiss(ours)
    desk.until(lambda: is_gone(other))
    other.close()


def test_it_is_tried_again_where_no_child_can_be_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer, "RETRY_SECONDS", 0.01)

    def no_child(_: Zygote) -> None:
        raise Error("no child can be made")

    ours, (other,) = pairs(1)
    with monkeypatch.context() as patch:
        patch.setattr(Zygote, "child", no_child)
        desk.pool.dismiss(ours)
        assert not ours[0].closed
        turns: list[None] = []
        desk.loop.call_later(0.05, turns.append, None)
        desk.until(lambda: turns)
        assert not ours[0].closed
    desk.until(lambda: is_gone(other))
    other.close()


def test_what_is_left_at_the_end_is_passed_on() -> None:
    sender, rest = lingering(30)
    ours, (other,) = pairs(1)
    with a_desk() as desk:
        desk.pool.dismiss([OwnedFd(sender.detach())])
        desk.pool.dismiss(ours)
        waiting = [one for each in desk.pool._closer._waiting.values() for one in each]
        assert waiting == ours
    assert not desk.pool._closer._waiting
    other.settimeout(20)
    assert other.recv(1) == b""
    other.close()
    for one in rest:
        one.close()


def test_what_nobody_can_close_at_the_end_is_left_for_the_kernel() -> None:
    before = open_numbers()
    one = an_eventfd()
    number = one.fileno()
    with a_desk() as desk:
        child = desk.pool._zygote.child()
        child.close()
        desk.pool._zygote._channel.shutdown(socket.SHUT_RDWR)
        desk.pool.dismiss([one])
    assert one.closed
    assert open_numbers() - before == {number}
    os.close(number)


def test_the_end_of_the_zygote_is_seen() -> None:
    with a_desk() as desk:
        zygote = desk.pool._zygote
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            pid = max(int(one) for one in file.read().split())
        ended: list[None] = []
        desk.loop.add_reader(zygote.fileno(), ended.append, None)
        child = zygote.child()
        child.close()
        turns: list[None] = []
        desk.loop.call_soon(turns.append, None)
        desk.until(lambda: turns)
        assert not ended, "a child that was made is no end"
        os.kill(pid, signal.SIGKILL)
        desk.until(lambda: ended)
        desk.loop.remove_reader(zygote.fileno())


def test_a_deposit_without_anything(desk: Desk) -> None:
    deposit = Deposit()
    desk.pool.drain(deposit.ours, 1000)
    desk.until(lambda: is_gone(deposit.peer))
    deposit.close()


@pytest.mark.usefixtures("unhurried")
def test_many_puts_leave_nothing(desk: Desk) -> None:
    desk.pool.dismiss([an_eventfd()])
    desk.until(lambda: desk.pool._closer._deadline is None)
    desk.put(an_eventfd(), accept=frozenset())
    desk.until(lambda: not desk.pool._given_up)
    before = open_numbers()
    for at in range(30):
        made = desk.put(an_eventfd(), an_eventfd(), accept=frozenset({"eventfd"} if at % 2 else ()))
        if at % 2:
            desk.pool.dismiss(made.descriptors)  # type: ignore[union-attr]
        desk.until(lambda: not desk.pool._given_up and not desk.pool._closer._deadline)
    idle = list(desk.pool._idle)
    assert len(open_numbers() - before) <= 2 * len(idle)


def test_closing_all_works_for_what_cannot_block() -> None:
    ours, (other,) = pairs(1)
    close_all(ours)
    assert is_gone(other)
    other.close()
