# SPDX-License-Identifier: MIT
"""A peer that is told what happens to items: all of it, in order, and of what it may see."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.watches import MAX_EVENTS_WAITING

from .broker import COMMANDS, Files, RunningBroker, running
from .items import (
    OTHER,
    PERSON,
    ROOT,
    THIRD,
    an_eventfd,
    ask,
    at_rest,
    error,
    held,
    put,
    put_as,
    put_eventfd,
    streaming,
    told,
    unchanged,
)
from .process import resident_kib, wait_until
from .wire import MANAGER, HungUp, Wire, call, message

STORES = ("slots", "cut", "bells")
RULES = """
resources:
  slots: {kind: store, quota: {items: 300, descriptors: 300}}
  cut: {kind: store, on-hangup: drop}
  other: {kind: store}
  bells: {kind: eventfd}
rules:
  - {id: people, allow: [slots, cut], do: [get, put, take, remove, list, watch], peer: {uid: 1000}}
  - {id: some, allow: slots/public-*, do: [get, watch], peer: {uid: 1001}}
  - {id: one, allow: slots/one, do: watch, peer: {uid: 1002}}
  - {id: bells, allow: bells, do: [get, remove, list, watch], peer: {uid: 1000}}
  - {id: root, allow: [slots, cut, bells], do: [list, remove], peer: {uid: 0}}
"""
SHUT = RULES.replace("do: [get, watch]", "do: get")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    files = Files(tmp_path_factory.mktemp("watch"), RULES)
    with running(files, COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(serving: RunningBroker) -> Iterator[RunningBroker]:
    with unchanged(serving, *STORES) as broker:
        yield broker


def test_what_is_there_and_then_what_happens(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/b")
    put_eventfd(broker, "slots/a")
    put_eventfd(broker, "cut/a")
    with Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as wire:
        streaming(watch, "slots")
        assert told(watch, 3) == ["added slots/a", "added slots/b", "ready slots"]
        put_eventfd(broker, "slots/c", ttlUSec=2_000_000)
        put_eventfd(broker, "slots/a", replace=True)
        assert wire.call("Remove", item="slots/a").error == ""
        taken = wire.call("Take", item="slots/b").parameters["transaction"]
        assert wire.call("Commit", transaction=taken).error == ""
        assert told(watch, 5) == [
            "added slots/c",
            "replaced slots/a",
            "removed slots/a",
            "removed slots/b",
            "expired slots/c",
        ]
    records = [one for one in broker.records() if one["method"].endswith(".Watch")]
    assert [(one["resource"], one["verdict"], one["rules"], one["outcome"]) for one in records] == [
        ("slots", "allow", ["people"], "granted")
    ]


def test_of_one_item(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as watch:
        streaming(watch, "slots/a")
        assert told(watch, 1) == ["ready slots/a"]
        put_eventfd(broker, "slots/b")
        put_eventfd(broker, "slots/a/b")
        put_eventfd(broker, "slots/a")
        assert told(watch, 1) == ["added slots/a"]


def test_a_hang_up_is_told(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as drops:
        streaming(watch, "slots")
        streaming(drops, "cut")
        one, other = socket.socketpair()
        with one, other:
            assert put_as(broker, PERSON, "slots/a", one.fileno()) == ""
            assert put_as(broker, PERSON, "cut/a", one.fileno()) == ""
        assert told(watch, 3) == ["ready slots", "added slots/a", "hangup slots/a"]
        assert told(drops, 4) == ["ready cut", "added cut/a", "hangup cut/a", "removed cut/a"]
        assert error(broker, PERSON, "Get", resource="slots/a") == "", "it is kept"
        assert error(broker, PERSON, "Get", resource="cut/a") == "NoSuchItem"


def test_a_file_is_kept_where_hang_ups_drop(broker: RunningBroker) -> None:
    with OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC)) as memory:
        assert put_as(broker, PERSON, "cut/a", memory.fileno()) == ""
    assert error(broker, PERSON, "Get", resource="cut/a") == ""


# Who is told.


def test_each_item_is_judged_by_itself(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/public-a")
    put_eventfd(broker, "slots/secret-a")
    with Wire(broker.address, OTHER) as watch, Wire(broker.address, THIRD) as third:
        streaming(watch, "slots")
        streaming(third, "slots")
        assert told(watch, 2) == ["added slots/public-a", "ready slots"]
        assert told(third, 1) == ["ready slots"]
        put_eventfd(broker, "slots/secret-b")
        put_eventfd(broker, "slots/public-b")
        put_eventfd(broker, "slots/one")
        assert told(watch, 1) == ["added slots/public-b"]
        assert told(third, 1) == ["added slots/one"]


@pytest.mark.parametrize("name", ["nowhere", "nowhere/a", "other", "cut", "slots/secret-a"])
def test_who_may_see_nothing_is_denied(broker: RunningBroker, name: str) -> None:
    with Wire(broker.address, OTHER) as wire:
        reply = streaming(wire, name).receive()
        assert reply.error == "Denied"
        assert set(reply.parameters) == {"resource", "request"}
        assert wire.is_served()
    (record,) = [one for one in broker.records() if one["method"].endswith(".Watch")]
    assert (record["verdict"], record["outcome"]) == ("deny", "denied")


def test_by_the_rules_of_now(broker: RunningBroker) -> None:
    with Wire(broker.address, OTHER) as watch:
        streaming(watch, "slots")
        assert told(watch, 1) == ["ready slots"]
        try:
            broker.files.write_rules(SHUT)
            assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
            put_eventfd(broker, "slots/public-a")
        finally:
            broker.files.write_rules(RULES)
            assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
        put_eventfd(broker, "slots/public-b")
        assert told(watch, 1) == ["added slots/public-b"]


def test_it_must_say_more(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        assert wire.call("Watch", resource="slots").error == "ExpectedMore"
        wire.send(
            message(
                method="io.fdbroker.Broker.Watch",
                parameters={"resource": "slots"},
                more=True,
                oneway=True,
            )
        )
        assert wire.is_served()
        put_eventfd(broker, "slots/a")
        assert wire.is_served()
    assert error(broker, OTHER, "Watch", resource="cut") == "Denied"


# Who does not read.


def test_who_is_too_slow_is_told_so(broker: RunningBroker) -> None:
    """It is never more than so many events, nobody else waits, and it may watch again."""
    name = "bells/" + "x" * 200
    both = call("Get", resource=name) + call("Remove", item=name)
    with (
        Wire(broker.address, PERSON, small_buffer) as slow,
        Wire(broker.address, PERSON) as fast,
        Wire(broker.address, PERSON) as wire,
    ):
        streaming(slow, "bells")
        streaming(fast, "bells")
        assert told(fast, 1) == ["ready bells"]
        before = resident_kib(broker.pid)
        for _ in range((MAX_EVENTS_WAITING + 800) // 40):
            wire.send(both * 20)
            assert {wire.receive().error for _ in range(40)} == {""}
            wire.close_descriptors()
            assert told(fast, 40) == [f"added {name}", f"removed {name}"] * 20
        assert resident_kib(broker.pid) - before < 8 * 1024
        events, last = 0, slow.receive()
        while not last.error:
            events += 1
            last = slow.receive()
        assert (last.error, last.parameters) == ("LimitReached", {"limit": "events"})
        assert events < MAX_EVENTS_WAITING
        assert slow.is_served(), "the connection goes on"
        assert wire.call("Get", resource=name).error == ""
        streaming(slow, "bells")
        assert told(slow, 2) == [f"added {name}", "ready bells"]


def small_buffer(connecting: socket.socket) -> None:
    connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)


def test_who_never_reads_is_hung_up_on(broker: RunningBroker) -> None:
    files = broker.files
    files.write_settings(limits="{reply-seconds: 1}")
    try:
        assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
        with Wire(broker.address, PERSON) as slow, Wire(broker.address, PERSON) as wire:
            streaming(slow, "slots")
            with an_eventfd() as one:
                while True:
                    assert put(wire, "slots/" + "x" * 200, one.fileno(), replace=True).error == ""
                    if any("unread" in line["detail"] for line in broker.lines()):
                        break
            told(slow, 10)
            with pytest.raises((HungUp, AssertionError)):  # perhaps within a reply
                told(slow, MAX_EVENTS_WAITING)
    finally:
        files.write_settings(limits="{}")
        assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""


def test_who_leaves_is_forgotten(broker: RunningBroker) -> None:
    with Wire(broker.address) as root:
        before = at_rest(broker, root)
        with ExitStack() as stack:
            for _ in range(30):
                streaming(stack.enter_context(Wire(broker.address, PERSON)), "slots")
            broker.status()
        wait_until(lambda: held(broker.pid) == before, "them to be forgotten")
    records = [one for one in broker.records() if one["method"].endswith(".Watch")]
    assert len(records) == 30
    put_eventfd(broker, "slots/a")


def test_what_is_asked_meanwhile_waits(broker: RunningBroker) -> None:
    """A watch has no end, so nothing after it is answered; nor does it keep the broker."""
    with Wire(broker.address, PERSON) as watch:
        streaming(watch, "slots")
        watch.send(call("WhoAmI") * 100)
        assert told(watch, 1) == ["ready slots"]
        put_eventfd(broker, "slots/a")
        assert told(watch, 1) == ["added slots/a"]
