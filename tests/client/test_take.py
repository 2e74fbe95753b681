# SPDX-License-Identifier: MIT
"""Taking and waiting: a reservation is its connection's, and ends with it."""

import asyncio
import math
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdbrokerd import (
    AsyncClient,
    Client,
    DescriptorsMissing,
    NoAnswer,
    NoSuchItem,
    TimedOut,
    Unreachable,
    UsageError,
)
from tests.client.both import BOTH
from tests.client.scripted import (
    Scripted,
    error,
    granted,
    reply,
    says,
    scripted,
    send,
    serving,
    take_call,
    taken,
)

COMMIT = {"method": "io.fdbroker.Broker.Commit", "parameters": {"transaction": "t1"}}


@pytest.fixture(params=BOTH, ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "broker")


def idle(broker: Scripted, connection: socket.socket) -> None:
    """Serve the client's own connection, which nothing but pings comes by."""
    while take_call(broker, connection):
        send(connection, reply({}))


class Reserver:
    """A script: answers a Take, then each Commit in turn; `ended` once the connection does."""

    def __init__(self, said: bytes, *commits: bytes, count: int = 1) -> None:
        self.said = (said, count)
        self.commits = list(commits)
        self.ended = False

    def __call__(self, broker: Scripted, connection: socket.socket) -> None:
        null = os.open("/dev/null", os.O_RDONLY)
        take_call(broker, connection)
        send(connection, self.said[0], [null] * self.said[1])
        os.close(null)
        while take_call(broker, connection):
            if not self.commits:
                return  # lost
            send(connection, self.commits.pop(0))
        self.ended = True


def test_taking_and_committing(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        async with await client.take("slots/a") as one:
            assert one.names == ("a",)
            assert not one.committed
            await one.commit()
            await one.commit()
            assert one.committed
            assert os.fstat(one.fileno())
            assert not reserver.ended

    reserver = Reserver(taken(0), reply({"item": "slots/a"}))
    with serving(address, idle, reserver) as broker:
        run(address, act)
    assert broker.calls == [
        {"method": "io.fdbroker.Broker.Take", "parameters": {"item": "slots/a"}},
        COMMIT,
    ]
    assert reserver.ended


def test_leaving_without_a_commit_ends_the_connection(
    run: Callable[..., Any], address: str
) -> None:
    async def act(client: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            async with await client.take("slots/a"):
                raise ZeroDivisionError
        while not reserver.ended:  # noqa: ASYNC110 (another thread's doing)
            await asyncio.sleep(0)
        await client.ping()

    reserver = Reserver(taken(0))
    with serving(address, idle, reserver) as broker:
        run(address, act)
    assert len(broker.calls) == 2


def test_a_lost_commit_is_repeated(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        async with await client.take("slots/a") as one:
            await one.commit()
            assert one.committed

    with serving(address, idle, Reserver(taken(0)), says(reply({"item": "slots/a"}))) as broker:
        run(address, act)
    assert broker.calls[1:] == [COMMIT, COMMIT]


def test_a_commit_that_came_too_late(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        async with await client.take("slots/a") as one:
            with pytest.raises(Unreachable, match="nothing was changed"):
                await one.commit()
            assert not one.committed

    unknown = says(error("org.varlink.service.InvalidParameter", parameter="transaction"))
    with serving(address, idle, Reserver(taken(0)), unknown):
        run(address, act)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((error("io.fdbroker.Broker.NoSuchItem", item="slots/a"), 0), NoSuchItem),
        ((taken(0, 1), 1), DescriptorsMissing),
    ],
)
def test_a_take_that_fails_ends_its_connection(
    run: Callable[..., Any], address: str, said: tuple[bytes, int], kind: type[Exception]
) -> None:
    async def act(client: Any) -> None:
        with pytest.raises(kind):
            await client.take("slots/a")
        while not reserver.ended:  # noqa: ASYNC110 (another thread's doing)
            await asyncio.sleep(0)

    reserver = Reserver(said[0], reply({}), count=said[1])
    with serving(address, idle, reserver):
        run(address, act)


def test_a_lease_ends_on_the_takings_connection(run: Callable[..., Any], address: str) -> None:
    async def act(client: Any) -> None:
        async with await client.take("slots/a") as one:
            await one.commit()

    reserver = Reserver(taken(0, grant="g1"), reply({"item": "slots/a"}), reply({}))
    with serving(address, idle, reserver) as broker:
        run(address, act)
    assert broker.calls[2]["parameters"] == {"grant": "g1"}


def test_on_an_inherited_connection(run: Callable[..., Any]) -> None:
    async def act(client: Any) -> None:
        async with await client.take("slots/a") as one:
            await one.commit()
        await client.ping()

    reserver = Reserver(taken(0), reply({"item": "slots/a"}), reply({}))
    with scripted(reserver) as broker:
        run(broker.address, act)
    assert len(broker.calls) == 3


# Waiting


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [(None, None), (0, 0), (1.5, 1_500_000), (1e30, 2**63 - 1), (math.inf, 2**63 - 1)],
)
@pytest.mark.parametrize("method", ["get", "take"])
def test_what_is_said_of_waiting(
    run: Callable[..., Any],
    address: str,
    method: str,
    seconds: float | None,
    microseconds: int | None,
) -> None:
    async def act(client: Any) -> None:
        async with await getattr(client, method)("slots/a", wait_seconds=seconds):
            pass

    script = says((taken(0) if method == "take" else granted(0), 1))
    apart = run is not BOTH[0] and seconds is not None
    own = [idle] if method == "take" or apart else []
    with serving(address, *own, script) as broker:
        run(address, act)
    parameters = broker.calls[0]["parameters"]
    assert isinstance(parameters, dict)
    assert parameters.get("waitUSec") == microseconds


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_times_that_cannot_be_waited(run: Callable[..., Any], address: str, seconds: float) -> None:
    with serving(address, idle), pytest.raises(UsageError, match="cannot wait for"):
        run(address, lambda client: client.get("slots/a", wait_seconds=seconds))


def test_the_calls_own_time_is_extended(run: Callable[..., Any], address: str) -> None:
    """The answer comes when the client has sent something else, long after its own limit."""

    async def act(client: Any) -> None:
        with pytest.raises(TimedOut) as caught:
            await client.get("slots/a", wait_seconds=20)
        assert not isinstance(caught.value, NoAnswer)

    def late(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        with socket.socket() as nothing:  # waits for 0.2 s, which is no race: longer is as good
            nothing.bind(("127.0.0.1", 0))
            nothing.listen()
            nothing.settimeout(0.2)
            with pytest.raises(TimeoutError):
                nothing.accept()
        send(connection, error("io.fdbroker.Broker.TimedOut", resource="slots/a"))

    own = [] if run is BOTH[0] else [idle]
    with serving(address, *own, late):
        run(address, act, timeout_seconds=0.1)


def test_no_limit_at_all_while_waiting_for_ever(address: str) -> None:
    with serving(address, says((granted(0), 1))), Client(address, timeout_seconds=5) as client:
        client.get("slots/a", wait_seconds=math.inf).close()


def test_a_task_that_waits_keeps_no_other_waiting(address: str) -> None:
    """Put by one task of what another one waits for, by one client."""

    def waits(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        while len(broker.calls) < 2:
            pass
        null = os.open("/dev/null", os.O_RDONLY)
        send(connection, granted(0), [null])
        os.close(null)

    async def main() -> None:
        async with AsyncClient(address) as client:
            waiting = asyncio.create_task(client.get("slots/a", wait_seconds=math.inf))
            while not broker.calls:  # noqa: ASYNC110 (another thread's doing)
                await asyncio.sleep(0)
            await client.ping()
            (await waiting).close()

    with serving(address, idle, waits) as broker:
        asyncio.run(main())


def test_closing_the_client_ends_what_waits(address: str) -> None:
    async def main() -> None:
        async with AsyncClient(address) as client:
            waiting = [
                asyncio.create_task(client.get("slots/a", wait_seconds=math.inf)),
                asyncio.create_task(client.take("slots/a", wait_seconds=math.inf)),
            ]
            while len(broker.calls) < 2:  # noqa: ASYNC110 (another thread's doing)
                await asyncio.sleep(0)
        for one in waiting:
            with pytest.raises(Unreachable):
                await one

    with serving(address, idle, says(), says()) as broker:
        asyncio.run(main())
