# SPDX-License-Identifier: MIT
"""The stream: halves, order, ends, and bytes that come one at a time."""

import select
import socket

import pytest

from .broker import RunningBroker
from .identity import User
from .process import cpu_ticks
from .wire import BROKER, MANAGER, Wire, call, message

CALL = call("WhoAmI")
PERSON = User(1000)


def test_half_a_message_and_the_end(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        wire.send(CALL + CALL[:20])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.receive().parameters["peer"]["uid"] == PERSON.uid
        assert wire.is_hung_up()
    answered, hung_up = broker.records()
    assert answered["outcome"] == "answered"
    assert (hung_up["outcome"], hung_up["method"]) == ("hung-up", "")
    assert hung_up["detail"] == "the stream ends within a message"


def test_half_a_message_alone(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        wire.send(CALL[:-1])
    assert [record["outcome"] for record in broker.records()] == ["hung-up"]


def test_nothing_and_the_end_is_no_request(broker: RunningBroker) -> None:
    for _ in range(3):
        Wire(broker.address, PERSON).close()
    assert broker.records() == []


def test_a_byte_at_a_time(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        for byte in CALL + CALL:
            wire.send(bytes([byte]))
        assert wire.receive().error == wire.receive().error == ""
    assert len(broker.records()) == 2


MIXED = [
    (call("Get", resource="pty"), "", 2),
    (call("Get", resource="secret"), "Denied", 0),
    (CALL, "", 0),
    (call("Get", resource="note"), "", 1),
    (call("Nothing"), "MethodNotFound", 0),
    (call("Get", resource="pty", count=2), "", 4),
    (message(method=1), "InvalidParameter", 0),
    (call(f"{MANAGER}Reload"), "PermissionDenied", 0),
    (call("Get", resource="part", arguments={"name": "b"}), "OpenFailed", 0),
    (call("List"), "", 0),
]


@pytest.mark.parametrize("rounds", [1, 30])
def test_pipelined_answers_come_in_order(broker: RunningBroker, rounds: int) -> None:
    """Thirty rounds are more calls than the broker lets wait."""
    with Wire(broker.address, PERSON) as wire:
        wire.send(b"".join(data for data, _, _ in MIXED) * rounds)
        for _ in range(rounds):
            for _, error, count in MIXED:
                reply = wire.receive()
                assert (reply.error, len(reply.descriptors)) == (error, count)
        assert wire.is_served()
    records = broker.records()
    assert len(records) == rounds * len(MIXED) + 1
    assert len({record["request"] for record in records}) == len(records)


def test_all_replies_come_after_the_sending_half_is_shut(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        wire.send(b"".join(data for data, _, _ in MIXED) * 10)
        wire.socket.shutdown(socket.SHUT_WR)
        for _ in range(10):
            for _, error, count in MIXED:
                reply = wire.receive()
                assert (reply.error, len(reply.descriptors)) == (error, count)
        assert wire.is_hung_up()
    assert len(broker.records()) == 10 * len(MIXED)


def test_what_came_before_a_violation_is_answered(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        wire.send(CALL + call("Get", resource="pty") + b"nonsense\0" + CALL)
        assert wire.receive().error == ""
        assert len(wire.receive().descriptors) == 2
        assert wire.is_hung_up()
    outcomes = [record["outcome"] for record in broker.records()]
    assert outcomes == ["answered", "granted", "hung-up"]


SLOW = call("Get", resource="pty", count=4)


@pytest.mark.parametrize(
    ("violation", "detail"),
    [
        (CALL[:20], "the stream ends within a message"),
        (b"x" * 65_537, "a message of more than 65536 bytes"),
    ],
)
def test_what_came_before_a_violation_of_framing_is_answered(
    broker: RunningBroker, violation: bytes, detail: str
) -> None:
    """What was whole when the rest was read is no less a request, however long it takes."""
    with Wire(broker.address, PERSON) as wire:
        wire.send(SLOW * 50 + violation)
        wire.socket.shutdown(socket.SHUT_WR)
        for _ in range(50):
            assert len(wire.receive().descriptors) == 8
            wire.close_descriptors()
        assert wire.is_hung_up()
    *granted, hung_up = broker.records()
    assert [one["outcome"] for one in granted] == ["granted"] * 50
    assert (hung_up["outcome"], hung_up["detail"]) == ("hung-up", detail)


def test_who_breaks_the_framing_does_not_wait(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        watch = message(method=f"{BROKER}Watch", parameters={"resource": "pty"}, more=True)
        wire.send(watch + SLOW * 20 + CALL[:20])
        wire.socket.shutdown(socket.SHUT_WR)
        while not wire.is_hung_up():
            pass
    assert [one["outcome"] for one in broker.records()].count("hung-up") == 1


def test_oneway(broker: RunningBroker) -> None:
    calls = [
        message(method="io.fdbroker.Broker.Get", parameters={"resource": name}, oneway=True)
        for name in ("pty", "secret", "note")
    ]
    calls += [message(method="a.b.C", oneway=True), message(method=3, oneway=True)]
    with Wire(broker.address, PERSON) as wire:
        wire.send(b"".join(calls) + CALL)
        assert wire.receive().error == "InvalidParameter", "a frame without a method has no oneway"
        assert "peer" in wire.receive().parameters
        assert wire.is_served()
    outcomes = [record["outcome"] for record in broker.records()]
    # What was opened for a call that wants no answer is closed again, and the record says so.
    assert outcomes[:5] == ["failed", "denied", "failed", "failed", "failed"]


def test_an_urgent_byte_is_no_part_of_the_stream(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        wire.send(b"!", flags=socket.MSG_OOB)
        before = cpu_ticks(broker.pid)
        assert not select.select([wire.socket], [], [], 0.2)[0]
        assert cpu_ticks(broker.pid) - before < 10, "the loop spins"
        assert wire.is_served()
        wire.send(CALL[:10])
        wire.send(b"!", flags=socket.MSG_OOB)
        wire.send(CALL[10:])
        assert wire.receive().error == ""
    assert len(broker.records()) == 2


def test_leaving_while_the_answer_is_on_its_way(broker: RunningBroker) -> None:
    for _ in range(50):
        with Wire(broker.address, PERSON) as wire:
            wire.send(call("Get", resource="pty") * 5)
    broker.descriptors()  # all have left
    records = broker.records()
    assert {record["outcome"] for record in records} <= {"granted", "failed"}
    assert all(record["detail"] for record in records if record["outcome"] == "failed")
