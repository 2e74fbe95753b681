# SPDX-License-Identifier: MIT
"""Items of a store: who may do what with them, how many, how long, and nothing by halves."""

import itertools
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from fdbrokerd.fd import OwnedFd, close_all

from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User, child
from .items import (
    OTHER,
    PERSON,
    ROOT,
    THIRD,
    a_pipe,
    an_eventfd,
    ask,
    at_rest,
    begin,
    error,
    held,
    listed,
    names,
    put,
    put_as,
    put_eventfd,
    same,
    send,
    streaming,
    told,
    unchanged,
)
from .process import take_byte, wait_until
from .wire import Wire, call, message

DAEMON, BIN, NAMELESS = User(1), User(2), User(4711)
VERBS = ("get", "put", "take", "remove", "list", "watch")
ALL = "do: [get, put, take, remove, list, watch]"
STORES = ("slots", "few", "shared", "hidden", "own", "ids", "by-get", "by-put", "by-take", "by-remove", "by-list", "by-watch", "short")  # fmt: skip  # noqa: E501
RULES = f"""
resources:
  slots: {{kind: store}}
  few: {{kind: store, quota: {{items: 2, descriptors: 3, metadata: 16}}}}
  shared: {{kind: store, quota: {{items: 2, per: store}}}}
  hidden: {{kind: store}}
  own: {{kind: store, names: "${{user}}/*"}}
  ids: {{kind: store, names: "${{uid}}/*"}}
  short: {{kind: store, ttl: {{default: 100s, max: 200s}}}}
  {chr(10).join(f"  by-{verb}: {{kind: store}}" for verb in VERBS).strip()}
rules:
  - {{id: people, allow: [slots, few, shared, short], {ALL}, peer: {{uid: [1000, 1001]}}}}
  - {{id: but-not, deny: slots/secret-*, {ALL}, peer: {{uid: 1001}}, hint: Not for you.}}
  - {{id: named, allow: [own, ids], {ALL}, peer: {{uid: [1, 2, 4711]}}}}
  - {{id: third-puts, allow: slots, do: [get, put, list], peer: {{uid: 1002}}}}
  - {{id: root, allow: [{", ".join(STORES)}], do: [list, remove], peer: {{uid: 0}}}}
  - {{id: filler, allow: [{", ".join(f"by-{verb}" for verb in VERBS)}], {ALL}, peer: {{uid: 1000}}}}
"""
RULES += "".join(
    f"  - {{id: may-{verb}, allow: by-{verb}, do: [{verb}], peer: {{uid: 1001}}}}\n"
    for verb in VERBS
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    with running(Files(tmp_path_factory.mktemp("items"), RULES), COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(serving: RunningBroker) -> Iterator[RunningBroker]:
    """Lend the daemon; it is empty and has as many descriptors as before."""
    with unchanged(serving, *STORES) as broker:
        yield broker


# Who may do what.


def outcomes(broker: RunningBroker, user: User, item: str) -> dict[str, str]:
    """Return what comes of each verb; a Put begins only, so nothing changes but by Remove."""
    watch = message(method="io.fdbroker.Broker.Watch", parameters={"resource": item}, more=True)
    with Wire(broker.address, user) as wire:
        wire.send(watch)
        watched = wire.receive().error
    return {
        "get": error(broker, user, "Get", resource=item),
        "put": error(broker, user, "Put", item=item, names=["x"], replace=True),
        "take": error(broker, user, "Take", item=item),
        "watch": watched,
        "list": "" if item in names(broker, user) else "Denied",
        "remove": error(broker, user, "Remove", item=item),
    }


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_decided_for_itself(broker: RunningBroker, verb: str) -> None:
    item = f"by-{verb}/a"
    put_eventfd(broker, item, PERSON)
    found = outcomes(broker, OTHER, item)
    # A Put with `replace` of what is somebody else's needs `remove` as well.
    allowed = verb if verb != "put" else "none"
    assert found == {name: "" if name == allowed else "Denied" for name in VERBS}
    if verb == "put":
        put_eventfd(broker, "by-put/b", OTHER)
        put_eventfd(broker, "by-put/b", OTHER, replace=True)


@pytest.mark.parametrize("verb", ["Get", "Take", "Remove", "Watch", "Put"])
def test_a_denial_tells_nothing(broker: RunningBroker, verb: str) -> None:
    """An unknown store, an unknown item, and one that is there, look the same."""
    put_eventfd(broker, "slots/secret-x")
    replies = []
    for name in ("nowhere/x", "hidden/x", "slots/secret-x", "slots/secret-y"):
        parameters: dict[str, object] = {"resource" if verb in {"Get", "Watch"} else "item": name}
        if verb == "Put":
            parameters["names"] = ["x"]
        reply = ask(broker, OTHER, verb, **parameters)
        assert reply.error == "Denied"
        said = reply.parameters
        assert said.pop("resource") == name
        said.pop("request")
        if "secret" in name:
            assert said.pop("hint") == "Not for you."
        replies.append(said)
    assert replies == [{}] * 4
    assert "slots/secret-x" not in names(broker, OTHER)
    records = [one for one in broker.records() if one["peer"]["uid"] == 1001]
    assert [one["outcome"] for one in records[:4]] == ["denied"] * 4
    assert [one["rules"] for one in records[:4]] == [[], [], ["but-not"], ["but-not"]]


def test_what_is_not_there_is_told_to_those_who_may(broker: RunningBroker) -> None:
    for method, key in (("Get", "resource"), ("Take", "item"), ("Remove", "item")):
        reply = ask(broker, PERSON, method, **{key: "slots/a"})
        assert (reply.error, reply.parameters) == ("NoSuchItem", {"item": "slots/a"})
        assert error(broker, THIRD, method, **{key: "slots/a"}) == (
            "NoSuchItem" if method == "Get" else "Denied"
        )


@pytest.mark.parametrize("name", ["a:b", "..", "a/../b", ".a", "-a", "a//b", "a/", "x" * 300, "é"])
def test_a_name_that_none_can_be(broker: RunningBroker, name: str) -> None:
    item = f"slots/{name}"
    found = error(broker, PERSON, "Put", item=item, names=["x"])
    assert found in {"InvalidArgument", "InvalidParameter"}
    assert error(broker, ROOT, "Put", item=item, names=["x"]) in {"Denied", "InvalidParameter"}


def test_a_store_itself_is_nothing_to_put(broker: RunningBroker) -> None:
    for method, key in (("Get", "resource"), ("Take", "item"), ("Remove", "item")):
        assert error(broker, PERSON, method, **{key: "slots"}) == "InvalidArgument"
    assert error(broker, PERSON, "Put", item="slots", names=["x"]) == "InvalidArgument"


@pytest.mark.parametrize("names", [[], ["a", "a"], ["a/b"], [""], ["a:b"], ["x" * 65], ["\n"]])
def test_names_of_descriptors_that_none_can_have(broker: RunningBroker, names: list[str]) -> None:
    reply = ask(broker, PERSON, "Put", item="slots/a", names=names)
    assert (reply.error, reply.parameters) == ("InvalidParameter", {"parameter": "names"})


def test_254_descriptors_are_too_many(broker: RunningBroker) -> None:
    names = [f"d{at}" for at in range(254)]
    reply = ask(broker, PERSON, "Put", item="slots/a", names=names)
    assert (reply.error, reply.parameters) == ("LimitReached", {"limit": "count"})


def test_another_ones_item_is_replaced_by_who_may_remove_it(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/a", PERSON)
    with an_eventfd() as one:
        number = one.fileno()
        assert put_as(broker, THIRD, "slots/a", number) == "ItemExists"
        assert put_as(broker, THIRD, "slots/a", number, replace=True) == "Denied"
        assert listed(broker, "slots/a")["owner"] == 1000
        assert put_as(broker, OTHER, "slots/a", number, replace=True) == ""
        assert listed(broker, "slots/a")["owner"] == 1001
        assert put_as(broker, THIRD, "slots/b", number) == ""
        assert put_as(broker, THIRD, "slots/b", number, replace=True) == "", "one's own"


def test_nor_by_who_began_before_it_came(broker: RunningBroker) -> None:
    with Wire(broker.address, THIRD) as late, an_eventfd() as one:
        transaction = begin(late, "slots/a", one.fileno(), replace=True)
        put_eventfd(broker, "slots/a", PERSON)
        assert late.call("Commit", transaction=transaction).error == "Denied"
        assert listed(broker, "slots/a")["owner"] == 1000


# Names with the peer's own.


def test_each_user_has_the_own_names_for_every_verb(broker: RunningBroker) -> None:
    put_eventfd(broker, "own/daemon/a", DAEMON)
    put_eventfd(broker, "ids/1/a", DAEMON)
    for item in ("own/daemon/a", "ids/1/a"):
        with Wire(broker.address, BIN) as wire:
            wire.send(
                message(method="io.fdbroker.Broker.Watch", parameters={"resource": item}, more=True)
            )
            assert wire.receive().error == "InvalidArgument"
        for method, key in (("Get", "resource"), ("Take", "item"), ("Remove", "item")):
            assert error(broker, BIN, method, **{key: item}) == "InvalidArgument"
        assert error(broker, BIN, "Put", item=item, names=["x"], replace=True) == "InvalidArgument"
        assert item not in names(broker, BIN)
        assert item in names(broker, DAEMON)
        assert error(broker, DAEMON, "Remove", item=item) == ""


def test_a_uid_without_a_name_has_no_name(broker: RunningBroker) -> None:
    assert error(broker, NAMELESS, "Put", item="own/4711/a", names=["x"]) == "InvalidArgument"
    assert error(broker, NAMELESS, "Put", item="own/daemon/a", names=["x"]) == "InvalidArgument"
    put_eventfd(broker, "ids/4711/a", NAMELESS)
    assert error(broker, NAMELESS, "Remove", item="ids/4711/a") == ""


def test_a_watch_of_all_tells_of_the_own_names(broker: RunningBroker) -> None:
    put_eventfd(broker, "own/daemon/a", DAEMON)
    with Wire(broker.address, BIN) as wire:
        streaming(wire, "own")
        assert told(wire, 1) == ["ready own"]
        put_eventfd(broker, "own/daemon/b", DAEMON)
        put_eventfd(broker, "own/bin/a", BIN)
        assert told(wire, 1) == ["added own/bin/a"]
    for user, item in ((DAEMON, "own/daemon/a"), (DAEMON, "own/daemon/b"), (BIN, "own/bin/a")):
        assert error(broker, user, "Remove", item=item) == ""


def test_many_users_who_ask_at_once_are_each_answered(broker: RunningBroker) -> None:
    """The name is looked up in a child, once for all that wait for it."""
    wires = [Wire(broker.address, BIN) for _ in range(30)]
    for wire in wires:
        wire.send(call("Get", resource="own/bin/a"))
    assert [wire.receive().error for wire in wires] == ["NoSuchItem"] * 30
    for wire in wires:
        wire.close()


# How many, and how long.


def test_a_quota_of_each_uid(broker: RunningBroker) -> None:
    with an_eventfd() as one:
        number = one.fileno()
        assert put_as(broker, PERSON, "few/a", number, number, metadata={"k": "v"}) == ""
        said = {
            "descriptors": ask(broker, PERSON, "Put", item="few/b", names=["x", "y"]),
            "metadata": ask(
                broker, PERSON, "Put", item="few/b", names=["x"], metadata={"k": "v" * 20}
            ),
        }
        assert put_as(broker, PERSON, "few/b", number) == ""
        said["items"] = ask(broker, PERSON, "Put", item="few/c", names=["x"])
        assert {key: reply.parameters["limit"] for key, reply in said.items()} == {
            key: key for key in said
        }
        assert put_as(broker, OTHER, "few/c", number, number, number) == "", "another one's is full"
        assert put_as(broker, PERSON, "few/b", number, replace=True) == ""


def test_a_quota_of_the_store(broker: RunningBroker) -> None:
    put_eventfd(broker, "shared/a", PERSON)
    put_eventfd(broker, "shared/b", OTHER)
    reply = ask(broker, OTHER, "Put", item="shared/c", names=["x"])
    assert reply.parameters == {"limit": "items"}
    assert error(broker, OTHER, "Put", item="shared/a", names=["x"], replace=True) == ""


def test_two_puts_that_begin_before_the_quota_is_full(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        transactions = [begin(wire, f"few/{at}", one.fileno()) for at in range(3)]
        said = [wire.call("Commit", transaction=name).error for name in transactions]
        assert said == ["", "", "LimitReached"]


def test_a_time_to_live(broker: RunningBroker) -> None:
    def seconds(item: str) -> float:
        found = listed(broker, item)
        return float(round((found["expiresUSec"] - found["createdUSec"]) / 1e6, 3))

    put_eventfd(broker, "short/default")
    put_eventfd(broker, "short/said", ttlUSec=150_000_000)
    put_eventfd(broker, "short/max", ttlUSec=200_000_000)
    put_eventfd(broker, "slots/said", ttlUSec=5_000_000)
    put_eventfd(broker, "slots/none")
    assert seconds("short/default") == 100
    assert seconds("short/said") == 150
    assert seconds("short/max") == 200
    assert seconds("slots/said") == 5
    assert "expiresUSec" not in listed(broker, "slots/none")


@pytest.mark.parametrize("usec", [10 * 365 * 86400 * 10**6 + 1, 2**63 - 1, 2**63, 10**30])
def test_a_time_that_nobody_will_see_is_for_ever(broker: RunningBroker, usec: int) -> None:
    put_eventfd(broker, "slots/a", ttlUSec=usec)
    assert "expiresUSec" not in listed(broker, "slots/a")
    reply = ask(broker, PERSON, "Put", item="short/a", names=["x"], ttlUSec=usec)
    assert reply.parameters["argument"] == "ttlUSec"


def test_times_that_are_none(broker: RunningBroker) -> None:
    for usec, store in ((0, "slots"), (0, "short"), (200_000_001, "short")):
        reply = ask(broker, PERSON, "Put", item=f"{store}/a", names=["x"], ttlUSec=usec)
        assert (reply.error, reply.parameters["argument"]) == ("InvalidArgument", "ttlUSec")
    assert (
        error(broker, PERSON, "Put", item="slots/a", names=["x"], ttlUSec=-1) == "InvalidParameter"
    )


def test_what_has_had_its_time_is_nobodys(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        streaming(wire, "slots")
        assert told(wire, 1) == ["ready slots"]
        put_eventfd(broker, "slots/a", ttlUSec=1)
        assert told(wire, 2) == ["added slots/a", "expired slots/a"]
    assert error(broker, PERSON, "Get", resource="slots/a") == "NoSuchItem"


def test_a_hundred_expire_while_others_ask_all_the_time(broker: RunningBroker) -> None:
    """Each within some hundred milliseconds, and none is handed out when its time is over."""
    read, write = a_pipe()

    def ask_on() -> None:
        with Wire(broker.address, User(os.getuid())) as wire:
            for at in itertools.count():
                wire.send(call("Get", resource="slots/none") * 20)
                assert {wire.receive().error for _ in range(20)} == {"NoSuchItem"}
                if not at:
                    os.write(write.fileno(), b"!")

    with read, write, Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as wire:
        with an_eventfd() as one:
            for at in range(100):
                reply = put(wire, f"slots/{at}", one.fileno(), ttlUSec=1_000_000)
                assert reply.error == ""
        deadlines = {
            item["name"]: item["expiresUSec"]
            for item in ask(broker, PERSON, "List").parameters["items"]
            if "expiresUSec" in item
        }
        assert len(deadlines) == 100
        streaming(watch, "slots")
        with child(ask_on, PERSON), child(ask_on, OTHER):
            for _ in range(2):
                take_byte(read.fileno())
            gone: dict[str, float] = {}
            while len(gone) < 100:
                (text,) = told(watch, 1)
                event, _, name = text.partition(" ")
                if event == "expired":
                    gone[name] = time_usec()
    assert set(gone) == set(deadlines)
    late = max(gone[name] - deadlines[name] for name in gone)
    assert 0 <= late < 1_000_000, f"{late} microseconds late"


def time_usec() -> float:
    """Return the time as the wire has it."""
    return time.time() * 1e6


# All or nothing.


def test_several_descriptors_together_or_not_at_all(broker: RunningBroker) -> None:
    read, write = a_pipe()
    directory = OwnedFd(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
    with read, write, directory, Wire(broker.address, PERSON) as wire:
        reply = put(wire, "slots/a", read.fileno(), directory.fileno(), write.fileno())
        assert (reply.error, reply.parameters["argument"]) == ("InvalidArgument", "d1")
        assert names(broker) == []
        reply = put(wire, "slots/a", read.fileno(), write.fileno(), names=["in", "out"])
        assert reply.parameters == {"item": "slots/a"}
        got = wire.call("Get", resource="slots/a")
        assert [one["name"] for one in got.parameters["descriptors"]] == ["in", "out"]
        assert same(got.descriptor("in"), read.fileno())
        os.write(got.descriptor("out"), b"x")
        assert os.read(read.fileno(), 1) == b"x"


def test_a_getter_in_a_loop_sees_the_old_one_or_the_new_one(broker: RunningBroker) -> None:
    """Never nothing, and never parts of both."""
    files = [[OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC)) for _ in range(3)] for _ in range(2)]
    for at, each in enumerate(files):
        for one in each:
            os.ftruncate(one.fileno(), at + 1)
    numbers = [[one.fileno() for one in each] for each in files]
    read, write = a_pipe()

    def act() -> None:
        count = {1: 0, 2: 0}
        with Wire(broker.address, User(os.getuid())) as wire:
            os.write(write.fileno(), b"!")
            while min(count.values()) < 20:
                reply = wire.call("Get", resource="slots/a")
                assert reply.error == "", reply.raw
                assert len(reply.descriptors) == 3
                (size,) = {os.fstat(number).st_size for number in reply.descriptors}
                count[size] += 1
                wire.close_descriptors()
        os.write(write.fileno(), b"!")

    with read, write, Wire(broker.address, PERSON) as wire:
        assert put(wire, "slots/a", *numbers[0]).error == ""
        with child(act, OTHER):
            take_byte(read.fileno())
            turn = 0
            while not select.select([read.fileno()], [], [], 0)[0]:
                turn += 1
                assert put(wire, "slots/a", *numbers[turn % 2], replace=True).error == ""
            take_byte(read.fileno())
    close_all(one for each in files for one in each)


# Takes.


def test_a_take_reserves_and_the_commit_removes(broker: RunningBroker) -> None:
    read, write = a_pipe()
    with read, write, Wire(broker.address, PERSON) as wire:
        assert put(wire, "slots/a", read.fileno(), metadata={"k": "v"}).error == ""
        taken = wire.call("Take", item="slots/a")
        assert taken.parameters["properties"] == {"k": "v"}
        assert taken.parameters["kind"] == "store"
        assert same(taken.descriptor("d0"), read.fileno())
        assert listed(broker, "slots/a")["state"] == "reserved"
        for user in (PERSON, OTHER):
            assert error(broker, user, "Take", item="slots/a") == "Busy"
            assert error(broker, user, "Get", resource="slots/a") == "Busy"
            assert error(broker, user, "Put", item="slots/a", names=["x"], replace=True) == "Busy"
        transaction = taken.parameters["transaction"]
        assert wire.call("Commit", transaction=transaction).parameters == {"item": "slots/a"}
        assert names(broker) == []
        again = ask(broker, PERSON, "Commit", transaction=transaction)
        assert again.parameters == {"item": "slots/a"}, "the answer may have been lost"
        assert error(broker, OTHER, "Commit", transaction=transaction) == "InvalidParameter"


def test_who_may_remove_ends_a_reservation(broker: RunningBroker) -> None:
    """A Take whose connection is kept open by nobody that can be found must not pin an item."""
    with Wire(broker.address, PERSON) as wire:
        put_eventfd(broker, "slots/a", PERSON)
        taken = wire.call("Take", item="slots/a").parameters["transaction"]
        assert error(broker, OTHER, "Remove", item="slots/a") == ""
        put_eventfd(broker, "slots/a", OTHER)
        assert wire.call("Commit", transaction=taken).error == "", "it is gone, as was asked"
        assert names(broker) == ["slots/a"], "and the next one of its name is not"
        taken = wire.call("Take", item="slots/a").parameters["transaction"]
        assert error(broker, OTHER, "Remove", item="slots/a") == ""
        put_eventfd(broker, "slots/a", OTHER)
        kept = wire.call("Take", item="slots/a")
        assert kept.error == ""
    assert error(broker, PERSON, "Get", resource="slots/a") == "", "given back once"


def test_the_end_of_the_taker_gives_back(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/a", OTHER)
    read, write = a_pipe()

    def act() -> None:
        with Wire(broker.address, User(os.getuid())) as wire:
            assert wire.call("Take", item="slots/a").error == ""
            os.write(write.fileno(), b"!")
            signal.pause()

    with read, write:
        with child(act, PERSON):  # which kills it
            take_byte(read.fileno())
            assert error(broker, OTHER, "Take", item="slots/a") == "Busy"
        wait_until(lambda: not error(broker, OTHER, "Get", resource="slots/a"), "it to be back")


def test_a_take_is_committed_by_who_took_it(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/a")
    with Wire(broker.address, PERSON) as wire:
        transaction = wire.call("Take", item="slots/a").parameters["transaction"]
        for user in (PERSON, OTHER, ROOT):
            assert error(broker, user, "Commit", transaction=transaction) == "InvalidParameter"
        assert wire.call("Commit", transaction=transaction).error == ""


def test_what_a_peer_refuses_is_given_back(broker: RunningBroker) -> None:
    """A peer that wants no descriptors (SO_PASSRIGHTS=0) has taken nothing."""

    def refuse(connecting: socket.socket) -> None:
        connecting.setsockopt(socket.SOL_SOCKET, 83, 0)

    put_eventfd(broker, "slots/a")
    with Wire(broker.address, PERSON, refuse) as wire:
        assert wire.call("Take", item="slots/a").error == "OpenFailed"
        assert error(broker, PERSON, "Get", resource="slots/a") == ""
        assert wire.is_served()
    (record,) = [one for one in broker.records() if one["method"].endswith("Take")]
    assert record["outcome"] == "failed"


def test_its_time_ends_when_it_is_given_back(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as wire:
        streaming(watch, "slots")
        put_eventfd(broker, "slots/a", ttlUSec=300_000)
        assert wire.call("Take", item="slots/a").error == ""
        put_eventfd(broker, "slots/b", ttlUSec=300_000)
        assert told(watch, 4) == [
            "ready slots",
            "added slots/a",
            "added slots/b",
            "expired slots/b",
        ]
        wire.close()
        assert told(watch, 1) == ["expired slots/a"]


# What is told, and what is written.


def test_what_is_told_of_an_item(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        assert put(wire, "slots/a/b", one.fileno(), names=["bell"], metadata={"k": "v"}).error == ""
    found = listed(broker, "slots/a/b", OTHER)
    times = found.pop("createdUSec")
    assert abs(times - time_usec()) < 60e6
    assert found == {
        "name": "slots/a/b",
        "kind": "eventfd",
        "state": "available",
        "owner": 1000,
        "holders": 0,
        "metadata": {"k": "v"},
        "descriptors": [
            {"name": "bell", "type": "eventfd", "what": found["descriptors"][0]["what"]}
        ],
    }


def test_an_owner_sees_the_own_items_without_a_rule(broker: RunningBroker) -> None:
    put_eventfd(broker, "by-put/a", OTHER)
    assert names(broker, OTHER) == ["by-put/a"]
    assert names(broker, THIRD) == []


def test_each_path_has_one_record(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        put(wire, "slots/a", one.fileno())
        wire.call("Get", resource="slots/a")
        taken = wire.call("Take", item="slots/a").parameters["transaction"]
        wire.call("Put", item="slots/a", names=["x"], replace=True)
        wire.call("Commit", transaction=taken)
        wire.call("Commit", transaction=taken)
        wire.call("Commit", transaction="nobodys")
        wire.call("Get", resource="slots/a")
        wire.call("Remove", item="slots/a")
        wire.call("Remove", item="hidden/a")
    granted, failed = ("allow", ["people"], "granted"), ("allow", ["people"], "failed")
    assert [
        (
            one["method"].rpartition(".")[2],
            one["resource"],
            (one["verdict"], one["rules"], one["outcome"]),
            one["descriptors"],
        )
        for one in broker.records()
    ] == [
        ("Put", "slots/a", granted, 0),
        ("Commit", "slots/a", granted, 0),
        ("Get", "slots/a", granted, 1),
        ("Take", "slots/a", granted, 1),
        ("Put", "slots/a", failed, 0),
        ("Commit", "slots/a", ("", [], "granted"), 0),
        ("Commit", "slots/a", ("", [], "granted"), 0),
        ("Commit", "", ("", [], "failed"), 0),
        ("Get", "slots/a", failed, 0),
        ("Remove", "slots/a", failed, 0),
        ("Remove", "hidden/a", ("deny", [], "denied"), 0),
    ]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("Put", {"item": "slots/b", "names": ["x"]}),
        ("Take", {"item": "slots/a"}),
        ("Get", {"resource": "slots/a"}),
        ("Get", {"resource": "slots/none", "waitUSec": 1000}),
        ("Take", {"item": "slots/none", "waitUSec": 1000}),
        ("Watch", {"resource": "slots"}),
    ],
)
def test_who_wants_no_answer_leaves_nothing_behind(
    broker: RunningBroker, method: str, parameters: dict[str, object]
) -> None:
    put_eventfd(broker, "slots/a")
    broker.records()
    broker.forget()
    with Wire(broker.address) as root:
        before = at_rest(broker, root)
        before["socket:"] -= 1
    with Wire(broker.address, PERSON) as wire:
        wire.send(
            message(
                method=f"io.fdbroker.Broker.{method}", parameters=parameters, oneway=True, more=True
            )
        )
        assert wire.is_served()
        before["socket:"] += 1  # this one, and nothing that it was not told of
        wait_until(lambda: held(broker.pid) == before, "nothing to be left")
        assert error(broker, PERSON, "Take", item="slots/a") == ""
    records = [one for one in broker.records() if one["method"].endswith(f".{method}")]
    assert len(records) == (2 if method == "Take" else 1)
    assert records[0]["outcome"] == "failed"


def test_remove_without_an_answer_removes(broker: RunningBroker) -> None:
    put_eventfd(broker, "slots/a")
    with Wire(broker.address, PERSON) as wire:
        wire.send(
            message(method="io.fdbroker.Broker.Remove", parameters={"item": "slots/a"}, oneway=True)
        )
        assert wire.is_served()
    assert names(broker) == []


def test_two_messages_are_no_deposit(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, an_eventfd() as one:
        reply = wire.call("Put", item="slots/a", names=["x"])
        send(reply.descriptors[0], [one.fileno()])
        send(reply.descriptors[0], [one.fileno()])
        said = wire.call("Commit", transaction=reply.parameters["transaction"])
        assert (said.error, said.parameters["argument"]) == ("InvalidArgument", "names")
