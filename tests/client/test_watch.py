# SPDX-License-Identifier: MIT
"""Watching: many replies to one call, in whatever pieces they come."""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from fdbrokerd import Client, Denied, NoAnswer, ProtocolError, Unreachable
from tests.client.both import BOTH
from tests.client.scripted import Scripted, error, happened, reply, says, scripted, send, take_call

READY = happened("ready", "slots")


@pytest.fixture(params=BOTH, ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


def tells(*chunks: bytes) -> Callable[[Scripted, socket.socket], None]:
    """Return a script that answers a Watch with some bytes each, and hangs up."""

    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        for chunk in chunks:
            send(connection, chunk)

    return script


async def events(client: Any) -> list[tuple[str, str]]:
    """Return what is told until the broker says or shows that it was all."""
    told = []
    async with client.watch("slots") as watch:
        try:
            async for event in watch:
                told.append((event.event, event.resource))
        except Unreachable:
            told.append(("gone", ""))
    return told


STREAM = [
    happened("added", "slots/a"),
    READY,
    happened("replaced", "slots/a"),
    happened("removed", "slots/a"),
]
TOLD = [("added", "slots/a"), ("replaced", "slots/a"), ("removed", "slots/a"), ("gone", "")]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_events_in_pieces(run: Callable[..., Any], size: int) -> None:
    whole = b"".join(STREAM)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    with scripted(tells(*pieces)) as broker:
        assert run(broker.address, events) == TOLD
    assert broker.calls == [
        {
            "method": "io.fdbroker.Broker.Watch",
            "parameters": {"resource": "slots"},
            "more": True,
        }
    ]


def test_a_last_reply_ends_it(run: Callable[..., Any]) -> None:
    with scripted(tells(READY + happened("removed", continues=False))) as broker:
        assert run(broker.address, events) == [("removed", "slots/a")]


FAULTS = {
    "denied": (error("io.fdbroker.Broker.Denied", resource="slots", request="r"), Denied),
    "nothing": (b"", Unreachable),
    "half": (READY[:-2], ProtocolError),
    "no event": (reply({"resource": "slots"}), ProtocolError),
    "goes on after the last": (happened("added", continues=False) + READY, ProtocolError),
}


@pytest.mark.parametrize(("said", "kind"), FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_entered(
    run: Callable[..., Any], said: bytes, kind: type[Exception]
) -> None:
    with scripted(tells(said)) as broker, pytest.raises(kind):
        run(broker.address, events)


def test_descriptors_are_none_of_it(run: Callable[..., Any]) -> None:
    with scripted(says((happened("added"), 1))) as broker, pytest.raises(ProtocolError):
        run(broker.address, events)


def test_a_watch_that_is_never_ready(run: Callable[..., Any]) -> None:
    with scripted(says(happened("added"))) as broker, pytest.raises(NoAnswer):
        run(broker.address, events, timeout_seconds=0.1)


def test_an_error_in_the_middle(run: Callable[..., Any]) -> None:
    stream = tells(READY, error("io.fdbroker.Broker.Denied", resource="slots", request="r"))
    with scripted(stream) as broker, pytest.raises(Denied):
        run(broker.address, events)


def test_waiting_has_no_limit(run: Callable[..., Any]) -> None:
    """Longer than a call may take."""

    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(connection, READY)
        assert not select.select([connection], [], [], 0.3)[0]
        send(connection, happened("added"))

    with scripted(script) as broker:
        told = run(broker.address, events, timeout_seconds=0.1)
    assert told == [("added", "slots/a"), ("gone", "")]


def test_with_select() -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(connection, b"".join(STREAM[:2]))
        take_call(broker, connection)  # the end

    with (
        scripted(script) as broker,
        Client(broker.address) as client,
        client.watch("slots") as watch,
    ):
        assert [event.event for event in watch.arrived()] == ["added"]
        assert watch.arrived() == []
        assert not select.select([watch], [], [], 0)[0]


def test_a_watch_begins_with_its_block() -> None:
    with scripted(says()) as broker, Client(broker.address) as client:
        watch = client.watch("slots")
        with pytest.raises(Unreachable, match="begins with its"):
            next(watch)
    assert broker.calls == []


def test_a_watch_that_is_cancelled(run: Callable[..., Any]) -> None:
    if run is BOTH[0]:
        return

    async def act(client: Any) -> None:
        async with client.watch("slots") as watch:
            task = asyncio.create_task(anext(watch))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(connection, READY)
        take_call(broker, connection)

    with scripted(script) as broker:
        run(broker.address, act)
