# SPDX-License-Identifier: MIT
"""The two steps of a Put: nothing is held before the second, which may be repeated."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fdbrokerd.transactions import MAX_TRANSACTIONS_PER_CONNECTION

from .broker import COMMANDS, Files, RunningBroker, running
from .items import (
    OTHER,
    PERSON,
    ROOT,
    a_pipe,
    an_eventfd,
    ask,
    at_rest,
    begin,
    error,
    held,
    listed,
    names,
    put_eventfd,
    send,
    socket_of,
    unchanged,
)
from .process import wait_until
from .wire import MANAGER, Wire, call

RULES = """
resources:
  slots: {kind: store}
  small: {kind: store, accept: [eventfd], quota: {items: 1}}
rules:
  - {id: people, allow: [slots, small], do: [get, put, take, remove, list, watch], peer: {uid: [1000, 1001]}}
  - {id: root, allow: [slots, small], do: [list, remove], peer: {uid: 0}}
"""  # noqa: E501 (rules read best a line each)
SHUT = RULES.replace("put, ", "").replace("names", "names")
NO_STORE = """
resources:
  slots: {kind: pty}
  small: {kind: store}
rules:
  - {id: people, allow: "*", do: [get, put], peer: {uid: [1000, 1001]}}
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    with running(Files(tmp_path_factory.mktemp("commit"), RULES), COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(serving: RunningBroker) -> Iterator[RunningBroker]:
    with unchanged(serving, "slots", "small") as broker:
        yield broker


# Without a Commit.


def test_the_end_of_the_connection_undoes_it(broker: RunningBroker) -> None:
    """What was sent is closed, too: the other end of the pipe is told."""
    read, write = a_pipe()
    with read:
        with Wire(broker.address, PERSON) as wire, write:
            begin(wire, "slots/a", write.fileno())
            assert names(broker) == []
            assert error(broker, PERSON, "Get", resource="slots/a") == "NoSuchItem"
        assert os.read(read.fileno(), 1) == b"", "nobody has the other end"
    assert names(broker) == []
    commits = [one for one in broker.records() if one["method"].endswith("Commit")]
    assert commits == []


def test_many_that_are_left_are_drained(broker: RunningBroker) -> None:
    read, write = a_pipe()
    with read, Wire(broker.address, PERSON) as wire:
        with write:
            for at in range(40):
                begin(wire, f"slots/{at}", *[write.fileno()] * 50)
        wire.close()
        assert os.read(read.fileno(), 1) == b""


def test_what_was_put_is_not_there_for_others(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transaction = begin(wire, "slots/a", one.fileno())
        put_eventfd(broker, "slots/a", OTHER)
        reply = wire.call("Commit", transaction=transaction)
        assert (reply.error, reply.parameters) == ("ItemExists", {"item": "slots/a"})


# What is sent.


def test_nothing_was_sent(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        reply = wire.call("Commit", transaction=begin(wire, "slots/a", names=["x", "y"]))
        assert reply.error == "DescriptorsMissing"
        assert reply.parameters == {"expected": 2, "received": 0}
    record = broker.records()[-1]
    assert (record["method"], record["resource"], record["outcome"]) == (
        "io.fdbroker.Broker.Commit",
        "slots/a",
        "failed",
    )


@pytest.mark.parametrize(
    ("count", "said"), [(1, "DescriptorsMissing"), (3, "InvalidArgument"), (2, "")]
)
def test_too_few_and_too_many(broker: RunningBroker, count: int, said: str) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        numbers = [one.fileno()] * count
        transaction = begin(wire, "slots/a", *numbers, names=["x", "y"])
        assert wire.call("Commit", transaction=transaction).error == said
        assert len(names(broker)) == (0 if said else 1)
        if said:
            again = wire.call("Commit", transaction=transaction)
            assert again.error == "InvalidParameter", "it has ended"


def test_253_descriptors_are_held_together(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        assert (
            wire.call("Commit", transaction=begin(wire, "slots/a", *[one.fileno()] * 253)).error
            == ""
        )
        assert len(wire.call("Get", resource="slots/a").descriptors) == 253


def test_bytes_alone_are_no_deposit(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        reply = wire.call("Put", item="slots/a", names=["x"])
        with socket_of(reply.descriptors[0]) as deposit:
            deposit.send(b"xy")
        said = wire.call("Commit", transaction=reply.parameters["transaction"])
        assert said.error in {"InvalidArgument", "DescriptorsMissing"}


def test_what_the_store_does_not_take(broker: RunningBroker) -> None:
    read, write = a_pipe()
    with read, write, an_eventfd() as one, Wire(broker.address, PERSON) as wire:
        transaction = begin(wire, "small/a", one.fileno(), read.fileno(), names=["ok", "not"])
        reply = wire.call("Commit", transaction=transaction)
        assert (reply.error, reply.parameters["argument"]) == ("InvalidArgument", "not")
        assert names(broker) == []


# Again.


def test_a_commit_may_be_repeated_by_the_same_user(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transaction = begin(wire, "slots/a", one.fileno())
        for _ in range(2):
            assert wire.call("Commit", transaction=transaction).parameters == {"item": "slots/a"}
    again = ask(broker, PERSON, "Commit", transaction=transaction)
    assert again.parameters == {"item": "slots/a"}
    for user in (OTHER, ROOT):
        reply = ask(broker, user, "Commit", transaction=transaction)
        assert reply.error == "InvalidParameter"
        assert reply.parameters == {"parameter": "transaction"}
    assert error(broker, PERSON, "Remove", item="slots/a") == ""
    again = ask(broker, PERSON, "Commit", transaction=transaction)
    assert again.parameters == {"item": "slots/a"}, "it was there"


def test_only_the_connection_that_began_it_commits(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transaction = begin(wire, "slots/a", one.fileno())
        for user in (PERSON, OTHER):
            assert error(broker, user, "Commit", transaction=transaction) == "InvalidParameter"
        assert wire.call("Commit", transaction=transaction).error == ""


def test_one_that_is_under_way_goes_on_without_its_connection(broker: RunningBroker) -> None:
    """Whoever asks again is told to wait, or that it is done."""
    with an_eventfd() as one:
        for at in range(20):
            with Wire(broker.address, PERSON) as wire:
                transaction = begin(wire, f"slots/{at}", one.fileno())
                wire.send(call("Commit", transaction=transaction))
                # The call is read, as the next one's answer shows, before the end is seen.
                told: list[str] = []
                with Wire(broker.address, PERSON) as again:
                    while not told or told[-1] in {"Busy", "InvalidParameter"}:
                        told.append(again.call("Commit", transaction=transaction).error)
                        wire.close()
                assert told[-1] == ""
            assert listed(broker, f"slots/{at}")["owner"] == 1000


def test_a_commit_that_is_refused_may_be_tried_again(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transactions = [begin(wire, f"small/{at}", one.fileno(), names=["x"]) for at in range(2)]
        said = [wire.call("Commit", transaction=name).error for name in transactions]
        assert said == ["", "LimitReached"]
        assert error(broker, PERSON, "Remove", item="small/0") == ""
        assert wire.call("Commit", transaction=transactions[1]).error == ""


# Limits.


def test_there_are_only_so_many_at_once(broker: RunningBroker) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(5)]
        for wire in wires[:4]:
            for at in range(MAX_TRANSACTIONS_PER_CONNECTION):
                begin(wire, f"slots/{at}", names=["x"])
            reply = wire.call("Put", item="slots/a", names=["x"])
            assert reply.parameters == {"limit": "transactions"}
        reply = wires[4].call("Put", item="slots/a", names=["x"])
        assert reply.parameters == {"limit": "transactions"}, "one uid has so many"
        assert error(broker, OTHER, "Put", item="slots/a", names=["x"]) == ""
        wires[0].close()

        def has_room() -> bool:
            return wires[4].call("Put", item="slots/a", names=["x"]).error == ""

        wait_until(has_room, "room again")


def test_commits_of_many_at_once(broker: RunningBroker) -> None:
    """More than there are children for one uid: those are told so, and try again."""
    with ExitStack() as stack:
        one = stack.enter_context(an_eventfd())
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(12)]
        transactions = [begin(wire, f"slots/{at}", one.fileno()) for at, wire in enumerate(wires)]
        left = dict(zip(wires, transactions, strict=True))
        while left:
            for wire, name in left.items():
                wire.send(call("Commit", transaction=name))
            said = {wire: wire.receive() for wire in left}
            assert {reply.error for reply in said.values()} <= {"", "LimitReached", "Busy"}
            left = {wire: name for wire, name in left.items() if said[wire].error}
        assert len(names(broker)) == 12


# The rules of now.


def test_what_is_no_longer_allowed_is_not_committed(broker: RunningBroker) -> None:
    files = broker.files
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transactions = [begin(wire, f"slots/{at}", one.fileno()) for at in range(2)]
        try:
            for rules, name in zip((SHUT, NO_STORE), transactions, strict=True):
                files.write_rules(rules)
                assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
                reply = wire.call("Commit", transaction=name)
                assert reply.error == "Denied"
                assert reply.parameters["resource"].startswith("slots/")
        finally:
            files.write_rules(RULES)
            assert ask(broker, ROOT, f"{MANAGER}Reload").error == ""
        assert wire.call("Commit", transaction=transactions[0]).error == "", "and now it is"


def test_a_put_that_is_never_read_holds_nothing(broker: RunningBroker) -> None:
    """Its peer goes before the answer is sent."""
    with Wire(broker.address) as root:
        before = at_rest(broker, root)
        for _ in range(20):
            with Wire(broker.address, PERSON) as wire:
                wire.send(call("Put", item="slots/a", names=["x"]) * 3)
        wait_until(lambda: held(broker.pid) == before, "nothing to be left")
    records = [one for one in broker.records() if one["method"].endswith("Put")]
    assert len({one["request"] for one in records}) == len(records)


def test_the_deposit_may_be_sent_by_somebody_else(broker: RunningBroker) -> None:
    """It is a descriptor: whoever has it sends, and the item is its putter's."""
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        reply = wire.call("Put", item="slots/a", names=["x"])
        pid = os.fork()
        if not pid:
            OTHER.become()
            send(reply.descriptors[0], [one.fileno()])
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert wire.call("Commit", transaction=reply.parameters["transaction"]).error == ""
        assert listed(broker, "slots/a")["owner"] == 1000
