# SPDX-License-Identifier: MIT
"""Requests that wait for an item: in order, as long as they want, and no longer than their peer."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fdbrokerd import connection

from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User, child
from .items import (
    FOR_EVER,
    OTHER,
    PERSON,
    ROOT,
    an_eventfd,
    ask,
    at_rest,
    error,
    held,
    put_as,
    put_eventfd,
    same,
    unchanged,
    waiting,
)
from .process import PATIENCE, resident_kib, take_byte, wait_until
from .wire import MANAGER, Wire, call

STORES = ("slots", "own", "bells")
RULES = """
resources:
  slots: {kind: store, quota: {items: 2000}}
  own: {kind: store, names: "${user}/*"}
  bells: {kind: eventfd}
rules:
  - {id: people, allow: [slots, own], do: [get, put, take, remove, list, watch], peer: {uid: [1, 1000, 1001]}}
  - {id: bells, allow: bells, do: [get, remove], peer: {uid: 1000}}
  - {id: root, allow: [slots, own, bells], do: [list, remove], peer: {uid: 0}}
"""  # noqa: E501 (rules read best a line each)
SHUT = RULES.replace("uid: [1, 1000, 1001]", "uid: 1000")
MANY = "{connections: 4096, connections-per-uid: 2048}"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    files = Files(tmp_path_factory.mktemp("waits"), RULES, limits=MANY)
    with running(files, COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(serving: RunningBroker) -> Iterator[RunningBroker]:
    with unchanged(serving, *STORES) as broker:
        yield broker


def get(wire: Wire, usec: int = FOR_EVER, name: str = "slots/a") -> Wire:
    return waiting(wire, "Get", resource=name, waitUSec=usec)


def take(wire: Wire, usec: int = FOR_EVER, name: str = "slots/a") -> Wire:
    return waiting(wire, "Take", item=name, waitUSec=usec)


def served(broker: RunningBroker) -> None:
    """Return when all that was sent before was looked at: the calls of one uid are, in order."""
    for user in (PERSON, OTHER, User(1)):
        with Wire(broker.address, user) as wire:
            assert wire.is_served()


# How long.


def test_a_wait_ends_when_the_item_is_there(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        get(wire)
        served(broker)
        assert put_as(broker, OTHER, "slots/a", one.fileno()) == ""
        reply = wire.receive()
        assert same(reply.descriptors[0], one.fileno())
        assert wire.is_served()
    records = [one for one in broker.records() if one["method"].endswith(".Get")]
    assert [(one["outcome"], one["verdict"], one["rules"]) for one in records] == [
        ("granted", "allow", ["people"])
    ]


@pytest.mark.parametrize("usec", [0, 1, 20_000])
@pytest.mark.parametrize("ask_for", [get, take])
def test_or_when_the_time_has_passed(broker: RunningBroker, usec: int, ask_for: object) -> None:
    with Wire(broker.address, PERSON) as wire:
        begun = time.monotonic()
        assert callable(ask_for)
        ask_for(wire, usec)
        reply = wire.receive()
        assert (reply.error, reply.parameters) == ("TimedOut", {"resource": "slots/a"})
        assert usec / 1e6 <= time.monotonic() - begun < 1 + usec / 1e6
        assert wire.is_served()
    (record,) = [one for one in broker.records() if "slots" in one["resource"]]
    assert record["outcome"] == "failed"


@pytest.mark.parametrize("usec", [2**63 - 1, 2**63, 2**64, 10**40, 10 * 365 * 86400 * 10**6])
def test_huge_times_are_for_ever(broker: RunningBroker, usec: int) -> None:
    with Wire(broker.address, PERSON) as wire:
        get(wire, usec)
        served(broker)
        put_eventfd(broker, "slots/a")
        assert wire.receive().error == ""


@pytest.mark.parametrize("usec", ["1", 1.5, -1, True, []])
def test_times_that_are_none(broker: RunningBroker, usec: object) -> None:
    reply = ask(broker, PERSON, "Get", resource="slots/a", waitUSec=usec)
    assert (reply.error, reply.parameters) == ("InvalidParameter", {"parameter": "waitUSec"})


def test_without_one_it_is_told_at_once(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/a")
    with Wire(broker.address, PERSON) as wire:
        assert wire.call("Take", item="slots/a").error == ""
        assert error(broker, OTHER, "Take", item="slots/a") == "Busy"
        assert error(broker, OTHER, "Take", item="slots/a", waitUSec=0) == "TimedOut"
    assert error(broker, OTHER, "Get", resource="slots/none") == "NoSuchItem"


def test_only_those_who_may_wait(broker: RunningBroker) -> None:
    for name in ("slots/a", "nowhere/a"):
        assert error(broker, User(1002), "Get", resource=name, waitUSec=FOR_EVER) == "Denied"
        assert error(broker, User(1002), "Take", item=name, waitUSec=FOR_EVER) == "Denied"


# In which order.


def test_in_order_of_arrival(broker: RunningBroker) -> None:
    """Gets and Takes mixed: who comes after a Take waits for that."""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(6)]
        for wire, ask_for in zip(wires, (get, take, get, take, get, get), strict=True):
            ask_for(wire)
            served(broker)
        put_eventfd(broker, "slots/a")
        assert wires[0].receive().error == ""
        first = wires[1].receive().parameters["transaction"]
        assert error(broker, PERSON, "Get", resource="slots/a") == "Busy"
        wires[1].close()  # gives it back
        assert first
        assert wires[2].receive().error == ""
        second = wires[3].receive().parameters["transaction"]
        assert wires[3].call("Commit", transaction=second).error == ""
        assert error(broker, PERSON, "Get", resource="slots/a") == "NoSuchItem"
        put_eventfd(broker, "slots/a")
        assert [wire.receive().error for wire in wires[4:]] == ["", ""]


def test_a_thousand_wait_and_each_is_served(broker: RunningBroker) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(500)]
        wires += [stack.enter_context(Wire(broker.address, OTHER)) for _ in range(500)]
        assert all(wire.is_served() for wire in wires)
        before, open_before = resident_kib(broker.pid), held(broker.pid)
        for wire in wires:
            get(wire)
        served(broker)
        wait_until(lambda: held(broker.pid) == open_before, "nothing more to be open")
        cost = resident_kib(broker.pid) - before
        assert cost < 12 * 1024, f"{cost} KiB for a thousand"
        put_eventfd(broker, "slots/a")
        for wire in wires:
            reply = wire.receive()
            assert len(reply.descriptors) == 1
            wire.close_descriptors()
    wait_until(lambda: broker.status()["connections"] == 1, "all to be gone")


def test_a_thousand_that_die_at_once_are_forgotten(broker: RunningBroker) -> None:
    """Each has taken one and waits for the next one's, which nobody is there to get any more."""
    read, write = os.pipe()
    with an_eventfd() as one:
        for at in range(120):
            assert put_as(broker, PERSON, f"slots/{at}", one.fileno()) == ""

    def act() -> None:
        wires = [Wire(broker.address, User(os.getuid())) for _ in range(120)]
        for at, wire in enumerate(wires):
            assert wire.call("Take", item=f"slots/{at}").error == ""
        for at, wire in enumerate(wires[1:]):
            take(wire, name=f"slots/{at}")
        os.write(write, b"!")
        signal.pause()

    with child(act, PERSON):
        take_byte(read)
        served(broker)
    for at in range(120):
        reply = ask(broker, PERSON, "Take", item=f"slots/{at}", waitUSec=int(PATIENCE * 1e6))
        assert reply.error == ""
    os.close(read)
    os.close(write)


def test_those_who_want_no_descriptors_are_passed_over(broker: RunningBroker) -> None:
    """Each refuses what it waited for, and the next one gets it."""

    def refuse(connecting: socket.socket) -> None:
        connecting.setsockopt(socket.SOL_SOCKET, 83, 0)

    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, OTHER, refuse)) for _ in range(300)]
        for wire in wires:
            take(wire)
        served(broker)
        last = take(stack.enter_context(Wire(broker.address, PERSON)))
        served(broker)
        put_eventfd(broker, "slots/a")
        assert last.receive().error == ""
        assert {wire.receive().error for wire in wires} == {"OpenFailed"}


# Whose peer goes.


def test_a_waiter_that_dies_is_forgotten(broker: RunningBroker) -> None:
    read, write = os.pipe()

    def act() -> None:
        with Wire(broker.address, User(os.getuid())) as wire:
            take(wire)
            os.write(write, b"!")
            signal.pause()

    with Wire(broker.address) as root:
        before = at_rest(broker, root)
        with child(act, PERSON):
            take_byte(read)
            served(broker)
        wait_until(lambda: held(broker.pid) == before, "it to be forgotten")
    (record,) = [one for one in broker.records() if one["method"].endswith(".Take")]
    assert (record["outcome"], record["detail"]) == ("failed", "the peer is gone")
    put_eventfd(broker, "slots/a")
    assert error(broker, PERSON, "Take", item="slots/a") == ""
    os.close(read)
    os.close(write)


def test_one_that_has_shut_down_its_sending_half_is_answered(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        get(wire)
        wire.socket.shutdown(socket.SHUT_WR)
        served(broker)
        put_eventfd(broker, "slots/a")
        assert len(wire.receive().descriptors) == 1
        assert wire.is_hung_up()


def test_and_forgotten_when_it_goes(broker: RunningBroker) -> None:
    """Nothing is read of it any more, nor of one that sent too much: so they are looked for."""
    assert connection.GONE_SECONDS <= PATIENCE / 2
    with Wire(broker.address) as root:
        before = at_rest(broker, root)
        with Wire(broker.address, PERSON) as half, Wire(broker.address, PERSON) as full:
            get(half).socket.shutdown(socket.SHUT_WR)
            get(full).send(call("WhoAmI") * (connection.MAX_CALLS_WAITING + 5))
            served(broker)
        wait_until(lambda: held(broker.pid) == before, "them to be forgotten")
    records = [one for one in broker.records() if one["method"].endswith(".Get")]
    assert [(one["outcome"], one["detail"]) for one in records] == [
        ("failed", "the peer is gone")
    ] * 2


def test_what_was_sent_meanwhile_is_answered_in_order(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        get(wire)
        wire.send(call("WhoAmI") + call("Get", resource="slots/none"))
        served(broker)
        put_eventfd(broker, "slots/a")
        assert len(wire.receive().descriptors) == 1
        assert wire.receive().parameters["peer"]["uid"] == 1000
        assert wire.receive().error == "NoSuchItem"


def test_half_a_message_while_it_waits_is_no_fault(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        get(wire, 300_000)
        data = call("WhoAmI")
        wire.send(data[:10])
        assert wire.receive().error == "TimedOut"
        wire.send(data[10:])
        assert wire.receive().error == ""


# By the rules of now.


def test_a_waiter_is_judged_again(broker: RunningBroker) -> None:
    with Wire(broker.address, OTHER) as other, Wire(broker.address, PERSON) as person:
        get(other)
        get(person)
        served(broker)
        broker.files.write_rules(SHUT)
        try:
            assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
            put_eventfd(broker, "slots/a")
            assert other.receive().error == "Denied"
            assert person.receive().error == ""
        finally:
            broker.files.write_rules(RULES)
            assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
    records = [one for one in broker.records() if one["method"].endswith(".Get")]
    assert [one["outcome"] for one in records] == ["denied", "granted"]


def test_one_whose_name_must_be_looked_up(broker: RunningBroker) -> None:
    user = User(1)
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, user)) for _ in range(5)]
        for wire in wires:
            get(wire, name="own/daemon/a")
        served(broker)
        put_eventfd(broker, "own/daemon/a", user)
        assert [len(wire.receive().descriptors) for wire in wires] == [1] * 5
        assert error(broker, user, "Remove", item="own/daemon/a") == ""


def test_what_a_get_makes_is_not_waited_for(broker: RunningBroker) -> None:
    assert error(broker, PERSON, "Get", resource="bells/a", waitUSec=FOR_EVER) == ""


# The end.


def test_those_who_wait_do_not_keep_the_daemon(tmp_path: Path, loop: str) -> None:
    files = Files(tmp_path, RULES)
    with running(files, COMMANDS[loop]) as broker, ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(20)]
        for wire in wires:
            get(wire)
        taken = stack.enter_context(Wire(broker.address, PERSON))
        put_eventfd(broker, "slots/b")
        assert taken.call("Take", item="slots/b").error == ""
        served(broker)
        begun = time.monotonic()
        assert broker.stop() == 0
        assert time.monotonic() - begun < 2
        assert all(wire.is_hung_up() for wire in wires)
        records = [one for one in broker.lines() if one["method"].endswith(".Get")]
        assert [one["detail"] for one in records] == ["the peer is gone"] * 20
