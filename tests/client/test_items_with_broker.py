# SPDX-License-Identifier: MIT
"""Both clients and the items of the real broker."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from fdbrokerd import (
    AsyncClient,
    Busy,
    Client,
    InvalidArgument,
    ItemExists,
    NoSuchItem,
    TimedOut,
)
from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import running_broker
from tests.client.both import BOTH

RULES = """
fdbroker: 1
resources:
  slots: {{kind: store, accept: [socket, pipe, eventfd]}}
  bells: {{kind: eventfd}}
rules:
  - id: own
    allow: slots
    do: [get, put, take, remove, list, watch]
    peer: {{uid: {uid}}}
  - {{id: bells, allow: bells, do: [get, remove, list, watch], peer: {{uid: {uid}}}}}
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("items")
    with running_broker(directory, RULES.format(uid=os.geteuid())) as where:
        yield where


@pytest.fixture
def address(broker: str) -> Iterator[str]:
    """Return the broker's address; what a test put is removed."""
    yield broker
    with Client(broker) as client:
        for item in client.list():
            if "/" in item.name:
                client.remove(item.name)


@pytest.fixture(params=BOTH, ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def event() -> Iterator[OwnedFd]:
    with OwnedFd(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)) as one:
        yield one


def test_what_is_put_is_got(run: Callable[..., Any], address: str, event: OwnedFd) -> None:
    async def act(client: Any) -> None:
        assert await client.put("slots/a", event, metadata={"k": "v"}) == "slots/a"
        async with await client.get("slots/a") as grant:
            assert (grant.resource, grant.names) == ("slots/a", ("fd",))
            assert grant.properties == {"k": "v"}
            os.eventfd_write(grant.fileno(), 7)
        assert os.eventfd_read(event.fileno()) == 7
        with pytest.raises(ItemExists):
            await client.put("slots/a", event)
        await client.put("slots/a", event, replace=True)
        await client.remove("slots/a")
        with pytest.raises(NoSuchItem):
            await client.remove("slots/a")
        with pytest.raises(NoSuchItem):
            await client.get("slots/a")
        with pytest.raises(TimedOut):
            await client.get("slots/a", wait_seconds=0.01)

    run(address, act)


def test_253_at_once(run: Callable[..., Any], address: str, event: OwnedFd) -> None:
    async def act(client: Any) -> None:
        await client.put("slots/many", {f"n{i}": event for i in range(253)})
        async with await client.get("slots/many") as grant:
            assert grant.names == tuple(f"n{i}" for i in range(253))

    run(address, act)


def test_a_socket(address: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Client(address) as client,
    ):
        client.put("slots/web", listener)
        with client.get("slots/web").socket() as same:
            assert same.getsockname() == listener.getsockname()
            assert not same.get_inheritable()


def test_no_socket(address: str, event: OwnedFd) -> None:
    with Client(address) as client:
        client.put("slots/a", event)
        with client.get("slots/a") as grant:
            with pytest.raises(OSError, match="Socket operation on non-socket"):
                grant.socket()
            assert os.fstat(grant.fileno())


def test_a_verdict(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        with (
            OwnedFd(os.open("/etc/passwd", os.O_RDONLY)) as file,
            pytest.raises(InvalidArgument) as caught,
        ):
            await client.put("slots/a", {"x": file})
        assert caught.value.argument == "x"
        assert (await client.ping())["product"]

    run(address, act)


def test_taking(run: Callable[..., Any], address: str, event: OwnedFd) -> None:
    async def act(client: Any) -> None:
        await client.put("slots/a", event)
        async with await client.take("slots/a") as one:
            with pytest.raises(Busy):
                await client.take("slots/a")
            os.eventfd_write(one.fileno(), 1)
        async with await client.take("slots/a", wait_seconds=10) as one:
            await one.commit()
            await one.commit()
            assert os.eventfd_read(one.fileno()) == 1
        with pytest.raises(NoSuchItem):
            await client.get("slots/a")

    run(address, act)


def test_watching(run: Callable[..., Any], address: str, event: OwnedFd) -> None:
    async def act(client: Any) -> None:
        await client.put("slots/a", event)
        async with client.watch("slots") as watch:
            await client.put("slots/b", event)
            await client.put("slots/b", event, replace=True)
            await client.remove("slots/a")
            await client.put("slots/c", event, ttl_seconds=0.01)
            told = [await anext(watch) for _ in range(6)]
        assert [(one.event, one.resource) for one in told] == [
            ("added", "slots/a"),
            ("added", "slots/b"),
            ("replaced", "slots/b"),
            ("removed", "slots/a"),
            ("added", "slots/c"),
            ("expired", "slots/c"),
        ]

    run(address, act)


def test_many_tasks_wait_for_one_item_each(address: str, event: OwnedFd) -> None:
    async def main() -> None:
        async with AsyncClient(address) as client:
            waiting = [
                asyncio.create_task(client.get(f"slots/{i}", wait_seconds=60)) for i in range(20)
            ]
            await asyncio.sleep(0)
            for i in range(20):
                await client.put(f"slots/{i}", event)
            for one in waiting:
                (await one).close()

    asyncio.run(main())


@pytest.mark.parametrize("what", ["put", "take", "wait", "watch"])
def test_a_cancellation_at_any_step_leaks_nothing(address: str, event: OwnedFd, what: str) -> None:
    """The fixture of every test counts the descriptors; and nothing is reserved afterwards."""

    async def do(client: AsyncClient) -> None:
        if what == "put":
            await client.put("slots/b", event, replace=True)
        elif what == "take":
            async with await client.take("slots/a"):
                pass
        elif what == "wait":
            async with await client.get("slots/a", wait_seconds=5):
                pass
        else:
            async with client.watch("slots") as watch:
                await anext(watch)

    async def main(steps: int) -> None:
        async with AsyncClient(address) as client:
            task = asyncio.create_task(do(client))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    with Client(address) as client:
        client.put("slots/a", event)
        for steps in range(0, 200, 7):
            asyncio.run(main(steps))
        client.take("slots/a", wait_seconds=10).close()


def test_one_that_is_made_by_name(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        async with await client.get("bells/door") as one, await client.get("bells/door") as other:
            os.eventfd_write(one.fileno(), 3)
            assert os.eventfd_read(other.fileno()) == 3

    run(address, act)
