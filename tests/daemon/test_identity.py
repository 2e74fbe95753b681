# SPDX-License-Identifier: MIT
"""Who connected must be who writes: a connection is not a token to pass on."""

import os

import pytest

from .broker import RunningBroker
from .identity import User, in_child
from .wire import Wire, call

GET = call("Get", resource="pty")
PERSON, OTHER = User(1000), User(1001)


def send_raw(wire: Wire) -> None:
    """Send with the ids that this process has, whoever connected."""
    wire.socket.sendall(GET)


@pytest.mark.parametrize(
    ("connecting", "writing"),
    [(User(0), PERSON), (PERSON, OTHER), (PERSON, User(0))],
    ids=["root to person", "person to person", "person to root"],
)
def test_passed_on(broker: RunningBroker, connecting: User, writing: User) -> None:
    with Wire(broker.address, connecting) as wire:
        assert wire.is_served()
        assert in_child(lambda: send_raw(wire), writing) == 0
        assert wire.is_hung_up()
    *_, record = broker.records()
    assert (record["outcome"], record["detail"]) == ("hung-up", f"written by uid {writing.uid}")
    assert record["peer"]["uid"] == connecting.uid


def test_of_the_same_user(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        assert in_child(lambda: send_raw(wire), PERSON) == 0
        assert len(wire.receive().descriptors) == 2
    assert [record["outcome"] for record in broker.records()] == ["granted"]


def test_kept_over_a_change_of_user(broker: RunningBroker) -> None:
    def connect_drop_and_ask() -> None:
        with Wire(broker.address) as wire:
            assert wire.is_served()
            os.setresuid(PERSON.uid, PERSON.uid, PERSON.uid)
            send_raw(wire)
            assert wire.is_hung_up()

    assert in_child(connect_drop_and_ask, User(0)) == 0
    assert [record["outcome"] for record in broker.records()] == ["answered", "hung-up"]


@pytest.mark.parametrize(("uid", "real"), [(0, 1000), (1001, 1000), (1000, 0)])
def test_setuid_program(broker: RunningBroker, uid: int, real: int) -> None:
    """Its real user is who started it, its effective one is whom it acts for: neither is sure."""
    with Wire(broker.address, User(uid, real=real)) as wire:
        wire.send(GET)
        assert wire.is_hung_up()
    (record,) = broker.records()
    assert (record["outcome"], record["peer"]["uid"]) == ("hung-up", uid)
    assert record["detail"] == f"written by uid {real}"


def test_who_has_gone_is_still_who_it_was(broker: RunningBroker) -> None:
    """A request that waits when its peer dies is that peer's; 500 such are nothing to us."""

    def ask_and_die() -> None:
        for _ in range(100):
            send_raw(Wire(broker.address, User()))
        os._exit(0)

    for _ in range(5):
        assert in_child(ask_and_die, PERSON) == 0
        broker.descriptors()  # there is room for 256 of one user
    records = broker.records()
    assert len(records) == 500
    assert {record["peer"]["uid"] for record in records} == {PERSON.uid}
    assert {record["outcome"] for record in records} <= {"granted", "failed"}
