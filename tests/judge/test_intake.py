# SPDX-License-Identifier: MIT
"""What comes through a deposit: counted, judged, and told apart when it is not as announced."""

import os
import resource
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from fdbrokerd.errors import (
    Busy,
    DescriptorsMissing,
    InvalidArgument,
    LimitReached,
    OpenFailed,
    TimedOut,
)
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import Own, same_file
from fdbrokerd.opener import Received, line
from fdbrokerd.opener import pool as module
from tests.core.made import USER
from tests.core.processes import open_numbers, room_for

from .desk import Deposit, Desk, an_eventfd
from .judging import opened


def test_one(desk: Desk) -> None:
    with an_eventfd() as one:
        made = desk.put(OwnedFd.copy_of(one.fileno()))
        assert isinstance(made, Received)
        ((name, descriptor, judged),) = made.parts
        assert (name, judged.type, judged.what) == ("n0", "eventfd", "eventfd")
        assert same_file(one.fileno(), descriptor.fileno())
        assert not os.get_inheritable(descriptor.fileno())
    made.close()


def test_many_in_order(desk: Desk) -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    sent = [
        OwnedFd(os.memfd_create(f"{at:03d}" + "\x01" * 246, os.MFD_CLOEXEC)) for at in range(253)
    ]
    made = desk.put(*sent)
    assert isinstance(made, Received)
    assert len(made.descriptors) == 253
    for at, (name, _, judged) in enumerate(made.parts):
        assert name == f"n{at}"
        assert judged.what.startswith(f"memfd {at:03d}")
    made.close()


def test_a_child_takes_in_again(desk: Desk) -> None:
    pids: list[set[int]] = []
    for _ in range(20):
        made = desk.put(an_eventfd())
        assert isinstance(made, Received)
        made.close()
        pids.append({child.pid for child in desk.pool._idle})
        assert 1 <= len(pids[-1]) <= 2
    assert any(before & after for before, after in pairwise(pids))


def test_nothing_of_it_stays_with_the_child(desk: Desk) -> None:
    read_end, write_end = (OwnedFd(end) for end in os.pipe2(os.O_CLOEXEC))
    made = desk.put(write_end)
    assert isinstance(made, Received)
    made.close()
    with read_end:
        assert os.read(read_end.fileno(), 1) == b"", "the end of the pipe: nobody has the other"


def test_too_few(desk: Desk) -> None:
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno())
    made = desk.take_in(deposit, "a", "b")
    assert isinstance(made, DescriptorsMissing)
    assert (made.expected, made.received) == (2, 1)
    deposit.close()


@pytest.mark.parametrize("sent", ["nothing", "a byte", "closed", "empty"])
def test_none(desk: Desk, sent: str) -> None:
    deposit = Deposit()
    if sent == "a byte":
        deposit.peer.send(b"x")
    if sent == "empty":
        deposit.peer.send(b"")
    if sent == "closed":
        deposit.peer.close()
    made = desk.take_in(deposit, "a")
    assert isinstance(made, DescriptorsMissing)
    assert (made.expected, made.received) == (1, 0)
    deposit.close()


def test_too_many(desk: Desk) -> None:
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno(), one.fileno(), one.fileno())
    made = desk.take_in(deposit, "a", "b")
    assert isinstance(made, InvalidArgument)
    assert made.argument == "names"
    assert "2 announced, and 3" in made.reason
    deposit.close()


def test_254_fail_at_the_sender() -> None:
    deposit = Deposit()
    with an_eventfd() as one, pytest.raises(OSError, match="Invalid"):
        deposit.put(*[one.fileno()] * 254)
    deposit.close()


@pytest.mark.parametrize("second", ["one more", "bytes", "empty with descriptors"])
def test_two_messages(desk: Desk, second: str) -> None:
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno())
        if second == "bytes":
            deposit.peer.send(b"more")
        else:
            deposit.put(one.fileno(), data=b"" if second.startswith("empty") else b"x")
    made = desk.take_in(deposit, "a")
    assert isinstance(made, InvalidArgument)
    assert (made.argument, made.reason) == ("names", "sent as more than one message")
    deposit.close()


@pytest.mark.parametrize("data", [b"", b"xx", b"x" * 10_000])
def test_another_payload(desk: Desk, data: bytes) -> None:
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno(), data=data)
    made = desk.take_in(deposit, "a")
    assert isinstance(made, InvalidArgument)
    assert made.reason == "not sent as one message of one byte"
    deposit.close()


def test_nothing_can_be_sent_afterwards(desk: Desk) -> None:
    deposit = Deposit()
    with an_eventfd() as one:
        deposit.put(one.fileno())
        made = desk.take_in(deposit, "a")
        assert isinstance(made, Received)
        with pytest.raises(BrokenPipeError):
            deposit.put(one.fileno())
    made.close()
    deposit.close()


def test_the_one_that_is_refused_is_named(desk: Desk, place: Path) -> None:
    made = desk.put(an_eventfd(), OwnedFd(opened(str(place))()), an_eventfd())
    assert isinstance(made, InvalidArgument)
    assert (made.argument, "is a directory" in made.reason) == ("n1", True)
    desk.until(lambda: not desk.pool._given_up)
    assert len(desk.pool._idle) == 0, "and that child takes no other job"


def test_types_and_seals_are_checked(desk: Desk) -> None:
    made = desk.put(an_eventfd(), accept=frozenset({"socket"}))
    assert isinstance(made, InvalidArgument)
    assert "taken here: socket" in made.reason
    made = desk.put(OwnedFd(os.memfd_create("m")), seals=frozenset({"write"}))
    assert isinstance(made, InvalidArgument)
    assert "add F_SEAL_WRITE first" in made.reason
    made = desk.put(an_eventfd(), read_only=True)
    assert isinstance(made, InvalidArgument)


def test_the_deposit_into_itself(desk: Desk) -> None:
    deposit = Deposit()
    deposit.put(deposit.peer.fileno())
    made = desk.take_in(deposit, "a", own=Own(os.getpid()))
    assert isinstance(made, InvalidArgument)
    assert "broker's own" in made.reason
    deposit.close()


def test_our_own_limit(desk: Desk) -> None:
    """What does not fit is still the child's, so that it is not us who close it last."""
    sent = [an_eventfd() for _ in range(40)]
    deposit = Deposit()
    deposit.put(*(one.fileno() for one in sent))
    close_all(sent)
    before = len(open_numbers())
    outcome = desk.begin(deposit, *(f"n{at}" for at in range(40)))
    with room_for(20):
        desk.until(lambda: outcome)
        assert isinstance(outcome[0], Busy)
    desk.until(lambda: not desk.pool._given_up and not desk.pool._closer._waiting)
    deposit.close()
    assert len(open_numbers()) <= before + 4  # the closer


def test_a_uid_has_its_share_and_waits_for_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPENING_PER_UID", 1)
    deposits = [Deposit() for _ in range(5)]
    outcomes = [desk.begin(deposit, "a") for deposit in deposits]
    assert [deposit.ours.closed for deposit in deposits] == [True, *[False] * 4]
    other = Deposit()
    assert isinstance(desk.take_in(other, "a", uid=USER + 1), DescriptorsMissing), "another uid"
    desk.until(lambda: all(outcomes))
    assert all(isinstance(each, DescriptorsMissing) for (each,) in outcomes)
    for deposit in (*deposits, other):
        deposit.close()


def test_too_many_that_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPENING_PER_UID", 0)
    monkeypatch.setattr(line, "MAX_WAITING_PER_UID", 1)
    monkeypatch.setattr(line, "WAITING_SECONDS", 0.05)
    first, second = Deposit(), Deposit()
    outcome = desk.begin(first, "a")
    with pytest.raises(LimitReached):
        desk.begin(second, "a")
    assert not second.ours.closed, "it is still the caller's"
    desk.until(lambda: outcome)
    assert isinstance(outcome[0], TimedOut)
    desk.until(lambda: first.ours.closed)
    for deposit in (first, second):
        deposit.close()


def test_a_child_that_is_killed(desk: Desk) -> None:
    deposit = Deposit()
    outcome = desk.begin(deposit, "a")
    (work,) = desk.pool._opening
    work.child.kill()
    desk.until(lambda: outcome)
    assert isinstance(outcome[0], OpenFailed | DescriptorsMissing)
    deposit.close()


def test_sockets_come_through_whole(desk: Desk) -> None:
    one, other = socket.socketpair()
    made = desk.put(OwnedFd(one.detach()))
    assert isinstance(made, Received)
    with other:
        other.send(b"hello")
        assert os.read(made.descriptors[0].fileno(), 9) == b"hello"
    made.close()
