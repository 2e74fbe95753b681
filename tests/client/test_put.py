# SPDX-License-Identifier: MIT
"""Putting descriptors: what is sent, what is said where it fails, and what a lost answer means."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fdbrokerd import (
    DescriptorsMissing,
    InvalidArgument,
    ItemExists,
    NotSent,
    ProtocolError,
    Unreachable,
    UsageError,
)
from fdbrokerd.client.offer import NAME, Offer
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.resource import RESOURCE_NAME
from tests.client.both import BOTH
from tests.client.scripted import (
    Deposited,
    Scripted,
    error,
    reply,
    says,
    scripted,
    send,
    serving,
    take_call,
    take_put,
)

PUT = "io.fdbroker.Broker.Put"
COMMIT = {"method": "io.fdbroker.Broker.Commit", "parameters": {"transaction": "t1"}}
UNKNOWN = error("org.varlink.service.InvalidParameter", parameter="transaction")


@pytest.fixture(params=BOTH, ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OwnedFd]:
    with OwnedFd(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)) as one:
        yield one


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "broker")


class Holder:
    """A script: a Put, its descriptors, and what to say to its Commit (None: hang up)."""

    def __init__(
        self, said: bytes | None = reply({"item": "slots/a"}), *, refuse: bool = False
    ) -> None:
        self.said = said
        self.refuse = refuse
        self.deposited: Deposited | None = None

    def __call__(self, broker: Scripted, connection: socket.socket) -> None:
        receive = take_put(broker, connection, refuse=self.refuse)
        take_call(broker, connection)
        self.deposited = receive()
        if self.said is not None:
            send(connection, self.said)
            while take_call(broker, connection):
                send(connection, reply({}))


def test_one_descriptor(run: Callable[..., Any], file: OwnedFd) -> None:
    holder = Holder()
    with scripted(holder) as broker:
        name = run(broker.address, lambda client: client.put("slots/a", file))
    assert name == "slots/a"
    assert broker.calls == [
        {"method": PUT, "parameters": {"item": "slots/a", "names": ["fd"]}},
        COMMIT,
    ]
    assert holder.deposited is not None
    assert holder.deposited.data == b"\0"
    assert holder.deposited.stats == [os.fstat(file.fileno())]


def test_everything_that_can_be_said(run: Callable[..., Any], file: OwnedFd) -> None:
    holder = Holder()
    read_end, write_end = os.pipe()
    with scripted(holder) as broker, OwnedFd(read_end), OwnedFd(write_end):
        run(
            broker.address,
            lambda client: client.put(
                "slots/a",
                {"out": write_end, "in": read_end, "file": file},
                replace=True,
                ttl_seconds=1.5,
                metadata={"port": "80"},
            ),
        )
    assert broker.calls[0]["parameters"] == {
        "item": "slots/a",
        "names": ["out", "in", "file"],
        "replace": True,
        "ttlUSec": 1_500_000,
        "metadata": {"port": "80"},
    }
    assert holder.deposited is not None
    assert len(holder.deposited.stats) == 3
    assert holder.deposited.stats[2] == os.fstat(file.fileno())


def test_as_many_as_one_message_carries(run: Callable[..., Any], file: OwnedFd) -> None:
    holder = Holder()
    with scripted(holder) as broker:
        run(broker.address, lambda client: client.put("a/b", {f"n{i}": file for i in range(253)}))
    assert holder.deposited is not None
    assert len(holder.deposited.stats) == 253


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no descriptors to put"),
        ({f"n{i}": 0 for i in range(254)}, "254 descriptors: at most 253 at once"),
        ({"a:b": 0}, "not a descriptor's name: 'a:b'"),
        ({"": 0}, "not a descriptor's name"),
        ({".a": 0}, "not a descriptor's name"),
        ({"a": 1_000_000}, "the descriptor 1000000 is not open"),
        (-1, "the descriptor -1 is not open"),
        (2**40, "is not open"),
    ],
)
def test_what_cannot_be_put_is_not_asked_for(
    run: Callable[..., Any], given: object, said: str
) -> None:
    with (
        scripted(says(reply({}))) as broker,
        pytest.raises(UsageError, match=said),
    ):
        run(broker.address, lambda client: client.put("slots/a", given))
    assert broker.calls == []


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf")])
def test_times_to_live_that_are_none(run: Callable[..., Any], file: OwnedFd, ttl: float) -> None:
    with scripted(says(reply({}))) as broker, pytest.raises(UsageError, match="not a time to live"):
        run(broker.address, lambda client: client.put("slots/a", file, ttl_seconds=ttl))


def test_names_are_those_of_the_broker() -> None:
    assert NAME.pattern == RESOURCE_NAME.pattern


def test_a_closed_object_says_so_itself() -> None:
    with socket.socket() as one:
        pass
    with pytest.raises(UsageError, match="the descriptor -1 is not open"):
        Offer(one)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (error("io.fdbroker.Broker.ItemExists", item="slots/a"), ItemExists),
        (reply({"transaction": "t1", "fileDescriptor": 0}), DescriptorsMissing),
        ((reply({"transaction": "t1", "fileDescriptor": 0}), 1), ProtocolError),
        ((reply({"transaction": "t1", "fileDescriptor": 1}), 1), ProtocolError),
        ((reply({"transaction": "t1", "fileDescriptor": 0}), 2), ProtocolError),
        ((reply({"fileDescriptor": 0}), 1), ProtocolError),
    ],
    ids=["exists", "missing", "no socket", "wrong index", "one more", "no transaction"],
)
def test_answers_to_a_put(
    run: Callable[..., Any], file: OwnedFd, said: Any, kind: type[Exception]
) -> None:
    with scripted(says(said)) as broker, pytest.raises(kind):
        run(broker.address, lambda client: client.put("slots/a", file))
    assert [call["method"] for call in broker.calls] == [PUT]


def test_a_stream_socket_is_no_deposit(run: Callable[..., Any], file: OwnedFd) -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        whole = reply({"transaction": "t1", "fileDescriptor": 0})
        send(connection, whole, [connection.fileno()])

    with scripted(script) as broker, pytest.raises(ProtocolError, match="of the wrong type"):
        run(broker.address, lambda client: client.put("slots/a", file))


def test_a_deposit_that_takes_no_descriptors(run: Callable[..., Any], file: OwnedFd) -> None:
    """The kernel says EPERM to the sender since Linux 6.16."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setsockopt(socket.SOL_SOCKET, 83, 0)
    except OSError:
        pytest.skip("needs SO_PASSRIGHTS, Linux 6.16")
    holder = Holder(
        error("io.fdbroker.Broker.DescriptorsMissing", expected=1, received=0), refuse=True
    )

    async def act(client: Any) -> None:
        with pytest.raises(NotSent, match="the socket that the broker gave for them takes none"):
            await client.put("slots/a", file)
        await client.ping()

    with scripted(holder) as broker:
        run(broker.address, act)
    assert broker.calls[1] == COMMIT, "so that the broker forgets the transaction"
    assert holder.deposited is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            error("io.fdbroker.Broker.InvalidArgument", argument="fd", reason="epoll is not taken"),
            InvalidArgument,
        ),
        (
            error("io.fdbroker.Broker.DescriptorsMissing", expected=1, received=0),
            DescriptorsMissing,
        ),
    ],
)
def test_a_verdict_leaves_the_connection(
    run: Callable[..., Any], file: OwnedFd, said: bytes, kind: type[Exception]
) -> None:
    async def act(client: Any) -> None:
        with pytest.raises(kind):
            await client.put("slots/a", file)
        await client.ping()

    with scripted(Holder(said)) as broker:
        run(broker.address, act)
    assert len(broker.calls) == 3


# A lost answer


def test_a_lost_commit_is_repeated_on_a_new_connection(
    run: Callable[..., Any], file: OwnedFd, address: str
) -> None:
    async def act(client: Any) -> str:
        name: str = await client.put("slots/a", file)
        await client.ping()
        return name

    with serving(address, Holder(None), says(reply({"item": "slots/a"}))) as broker:
        assert run(address, act) == "slots/a"
    assert broker.calls[1:3] == [COMMIT, COMMIT]


def test_a_commit_that_is_still_under_way(
    run: Callable[..., Any], file: OwnedFd, address: str
) -> None:
    def slow(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(connection, error("io.fdbroker.Broker.Busy", resource="slots/a"))
        take_call(broker, connection)
        send(connection, reply({"item": "slots/a"}))

    with serving(address, Holder(None), slow) as broker:
        assert run(address, lambda client: client.put("slots/a", file)) == "slots/a"
    assert broker.calls[1:] == [COMMIT, COMMIT, COMMIT]


def test_a_commit_that_stays_under_way(
    run: Callable[..., Any], file: OwnedFd, address: str
) -> None:
    def stuck(broker: Scripted, connection: socket.socket) -> None:
        while take_call(broker, connection):
            send(connection, error("io.fdbroker.Broker.Busy", resource="slots/a"))

    with (
        serving(address, Holder(None), stuck),
        pytest.raises(Unreachable, match="cannot be asked again"),
    ):
        run(address, lambda client: client.put("slots/a", file), timeout_seconds=0.3)


def test_half_an_answer_is_a_lost_one(run: Callable[..., Any], file: OwnedFd, address: str) -> None:
    def half(broker: Scripted, connection: socket.socket) -> None:
        receive = take_put(broker, connection)
        take_call(broker, connection)
        receive()
        send(connection, b'{"parameters"')

    with serving(address, half, says(reply({"item": "slots/a"}))):
        assert run(address, lambda client: client.put("slots/a", file)) == "slots/a"


def test_a_commit_that_the_broker_does_not_know(
    run: Callable[..., Any], file: OwnedFd, address: str
) -> None:
    with (
        serving(address, Holder(None), says(UNKNOWN)),
        pytest.raises(Unreachable, match="the broker knows of no Commit, so nothing was changed"),
    ):
        run(address, lambda client: client.put("slots/a", file))


def test_a_broker_that_stays_away(run: Callable[..., Any], file: OwnedFd, address: str) -> None:
    with (
        serving(address, Holder(None)),
        pytest.raises(Unreachable, match="cannot be asked again: no broker at"),
    ):
        run(address, lambda client: client.put("slots/a", file))


def test_it_is_repeated_once_only(run: Callable[..., Any], file: OwnedFd, address: str) -> None:
    with (
        serving(address, Holder(None), take_call, says()) as broker,
        pytest.raises(Unreachable, match="cannot be asked again"),
    ):
        run(address, lambda client: client.put("slots/a", file))
    assert len(broker.calls) == 3


def test_an_inherited_connection_is_not_made_anew(run: Callable[..., Any], file: OwnedFd) -> None:
    with (
        scripted(Holder(None)) as broker,
        pytest.raises(Unreachable, match="hung up without an answer"),
    ):
        run(broker.address, lambda client: client.put("slots/a", file))


def test_hanging_up_before_the_descriptors(run: Callable[..., Any], file: OwnedFd) -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.close()
        with theirs:
            whole = reply({"transaction": "t1", "fileDescriptor": 0})
            send(connection, whole, [theirs.fileno()])

    with (
        scripted(script) as broker,
        pytest.raises(Unreachable, match="before the descriptors were sent"),
    ):
        run(broker.address, lambda client: client.put("slots/a", file))
