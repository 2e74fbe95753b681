# SPDX-License-Identifier: MIT
"""Every fault of the other end is one precise exception, in both clients, and leaks nothing."""

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fdbrokerd import (
    AsyncClient,
    CallError,
    Client,
    Denied,
    DescriptorsMissing,
    Grant,
    NoAnswer,
    OpenFailed,
    ProtocolError,
    TimedOut,
    Unreachable,
    UsageError,
)
from fdbrokerd.client.conversation import MAX_REPLY_BYTES
from tests.client.scripted import Scripted, error, granted, reply, says, scripted, send, take_call

Get = Callable[..., list[Grant | BaseException]]


def blocking(address: str, times: int = 1, timeout_seconds: float | None = 10) -> list[object]:
    """Get some times on one connection; return grants and errors."""
    results: list[object] = []
    with Client(address, timeout_seconds=timeout_seconds) as broker:
        for _ in range(times):
            try:
                results.append(broker.get("thing", {"part": "key"}))
            except Exception as fault:  # noqa: BLE001 (the result)
                results.append(fault)
    return results


def asynchronous(address: str, times: int = 1, timeout_seconds: float | None = 10) -> list[object]:
    """Do the same with the other client."""

    async def main() -> list[object]:
        results: list[object] = []
        async with AsyncClient(address, timeout_seconds=timeout_seconds) as broker:
            for _ in range(times):
                try:
                    results.append(await broker.get("thing", {"part": "key"}))
                except Exception as fault:  # noqa: BLE001 (the result)
                    results.append(fault)
        return results

    return asyncio.run(main())


@pytest.fixture(params=[blocking, asynchronous])
def get(request: pytest.FixtureRequest) -> Callable[..., list[object]]:
    return request.param  # type: ignore[no-any-return]


CALL = {
    "method": "io.fdbroker.Broker.Get",
    "parameters": {"resource": "thing", "arguments": {"part": "key"}},
}


def test_a_grant_has_what_was_said(get: Callable[..., list[object]]) -> None:
    with scripted(says((granted(1, 0), 2))) as broker:
        (grant,) = get(broker.address)
    assert isinstance(grant, Grant)
    with grant:
        assert broker.calls == [CALL]
        assert grant.names == ("a", "b")
        assert (grant.resource, grant.kind, grant.id) == ("thing", "file", "")
        assert grant.properties == {"path": "/thing"}
        assert grant.revocable is False
        assert grant["a"].fileno() > grant["b"].fileno()  # by index, not by place
        assert not os.get_inheritable(grant.fileno("a"))


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_reply_in_pieces(get: Callable[..., list[object]], size: int) -> None:
    whole = granted(0, 1)
    first, *rest = [whole[at : at + size] for at in range(0, len(whole), size)]
    with scripted(says((first, 2), *rest)) as broker:
        (grant,) = get(broker.address)
    assert isinstance(grant, Grant)
    grant.close()


NO_JSON = b"\xff\xfe\0"
FAULTS = {
    "one more than announced": (granted(0), 2),
    "announced twice": (granted(0, 0), 2),
    "out of range": (granted(0, 2), 2),
    "negative": (granted(-1), 1),
    "a boolean": (granted(False), 1),
    "a fraction": (granted(0.0), 1),
    "a text": (granted("0"), 1),
    "one name twice": (granted(0, 1, names=["a", "a"]), 2),
    "a name with a colon": (granted(0, names=["a:b"]), 1),
    "a name with a control character": (granted(0, names=["a\x1b[2J"]), 1),
    "no descriptors at all": (reply({"grant": ""}), 1),
    "no object": (b"[]\0", 1),
    "parameters that are no object": (b'{"parameters": [1]}\0', 1),
    "nothing": (b"\0", 1),
    "no JSON": (NO_JSON, 1),
    "deep": (b"[" * 60_000 + b"\0", 1),
    "unknown key": (b'{"parameters": {}, "x": 1}\0', 1),
    "continues": (b'{"parameters": {}, "continues": true}\0', 1),
    "an error with descriptors": (error("io.fdbroker.Broker.Busy", resource="thing"), 1),
    "an error of the wrong type": (error("io.fdbroker.Broker.Busy", resource=1), 0),
    "an error that is no text": (b'{"error": 1}\0', 1),
    "endless": (b"x" * (MAX_REPLY_BYTES + 1), 1),
    "two replies": (granted(0) + granted(0), 1),
    "a reply and a half": (granted(0) + b"{", 1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_wrong_reply_ends_the_connection(
    get: Callable[..., list[object]], fault: tuple[bytes, int]
) -> None:
    with scripted(says(fault)) as broker:
        first, second = get(broker.address, times=2)
    assert isinstance(first, ProtocolError)
    assert isinstance(second, Unreachable)
    assert str(first).isprintable()


def test_two_sets_of_descriptors(get: Callable[..., list[object]]) -> None:
    whole = granted(0, 1)
    with scripted(says((whole[:5], 1), (whole[5:], 1))) as broker:
        (fault,) = get(broker.address)
    assert type(fault) is ProtocolError


@pytest.mark.parametrize(
    ("sent", "kind"), [(b"", Unreachable), (granted(0)[:-1], ProtocolError)], ids=["empty", "half"]
)
def test_the_broker_hangs_up(
    get: Callable[..., list[object]], sent: bytes, kind: type[Exception]
) -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        connection.sendall(sent)

    with scripted(script) as broker:
        (fault,) = get(broker.address)
    assert type(fault) is kind


def test_an_error_leaves_the_connection(get: Callable[..., list[object]]) -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(
            connection,
            error(
                "io.fdbroker.Broker.OpenFailed",
                resource="thing",
                errno=2,
                errnoName="ENOENT",
                more=1,
            ),
        )
        says((granted(0), 1))(broker, connection)

    with scripted(script) as broker:
        first, second = get(broker.address, times=2)
    assert isinstance(first, OpenFailed)
    assert first.parameters() == {"resource": "thing", "errno": 2, "errnoName": "ENOENT"}
    assert isinstance(second, Grant)
    second.close()


def test_texts_of_errors_are_escaped(get: Callable[..., list[object]]) -> None:
    hint = "\x1b]0;owned\x07\nask \u202e\ud800"
    with scripted(says(error("io.fdbroker.Broker.Denied", resource="thing", hint=hint))) as broker:
        (denied,) = get(broker.address)
    assert isinstance(denied, Denied)
    assert denied.hint == r"\x1b]0;owned\x07\nask \u202e\ud800"


def test_an_unknown_error_keeps_its_name(get: Callable[..., list[object]]) -> None:
    with scripted(says(error("io.fdbroker.Broker.Later\n", what="x"))) as broker:
        (fault,) = get(broker.address)
    assert type(fault) is CallError
    assert str(fault) == r"io.fdbroker.Broker.Later\n"


def test_no_answer_in_time(get: Callable[..., list[object]]) -> None:
    with scripted(says()) as broker:
        first, second = get(broker.address, times=2, timeout_seconds=0.05)
    assert isinstance(first, NoAnswer)
    assert isinstance(first, TimedOut)
    assert str(first) == "no answer from the broker in time: thing"
    assert isinstance(second, Unreachable)


def test_a_late_reply_is_not_taken_for_another() -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        send(connection, error("io.fdbroker.Broker.Busy", resource="thing"))
        null = os.open("/dev/null", os.O_RDONLY)
        send(connection, granted(0), [null])
        os.close(null)
        connection.shutdown(socket.SHUT_WR)
        take_call(broker, connection)

    with scripted(script) as broker, Client(broker.address) as client:
        with pytest.raises((CallError, ProtocolError)):
            client.get("thing")
        # The end of the stream is behind the second reply: it has arrived.
        while not _readable(broker.address):
            pass
        with pytest.raises((ProtocolError, Unreachable)):
            client.get("thing")


def _readable(address: str) -> bool:
    copy = socket.socket(fileno=os.dup(int(address.removeprefix("fd:"))))  # noqa: TID251
    with copy:
        try:
            return bool(copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) or True
        except BlockingIOError:
            return False


@contextmanager
def _room_for(count: int) -> Iterator[None]:
    """Leave that many numbers to this process."""
    fillers = [os.open("/dev/null", os.O_RDONLY)]
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    while fillers[-1] <= highest:
        fillers.append(os.open("/dev/null", os.O_RDONLY))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for number in fillers:
            os.close(number)


def test_truncation_names_both_numbers_and_ends_the_lease() -> None:
    said = says((granted(0, 1, 2, 3, 4, grant="g1"), 5))
    with scripted(said) as broker, Client(broker.address) as client:
        with _room_for(2), pytest.raises(DescriptorsMissing) as caught:
            client.get("thing")
        client.ping()
    assert (caught.value.expected, caught.value.received) == (5, 2)
    assert [call["method"] for call in broker.calls][1:] == [
        "io.fdbroker.Broker.Release",
        "org.varlink.service.GetInfo",
    ]


def test_truncation_with_asyncio() -> None:
    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            with _room_for(2), pytest.raises(DescriptorsMissing) as caught:
                await client.get("thing")
            await client.ping()
        assert (caught.value.expected, caught.value.received) == (5, 2)

    with scripted(says((granted(0, 1, 2, 3, 4, grant="g1"), 5))) as broker:
        asyncio.run(main(broker.address))
    assert broker.calls[1]["parameters"] == {"grant": "g1"}


def test_a_lease_ends_with_its_grant() -> None:
    with scripted(says((granted(0, grant="g1"), 1))) as broker, Client(broker.address) as client:
        with client.get("thing") as grant:
            assert grant.leased
        grant.close()
    assert broker.calls[1:] == [
        {"method": "io.fdbroker.Broker.Release", "parameters": {"grant": "g1"}}
    ]


def test_a_lease_stays_with_what_was_taken_out() -> None:
    with (
        scripted(says((granted(0, grant="g1"), 1))) as broker,
        Client(broker.address) as client,
        client.get("thing") as grant,
        grant.open("rb") as file,
    ):
        assert file.read() == b""
    assert len(broker.calls) == 1


def test_a_grant_outlives_its_client() -> None:
    with scripted(says((granted(0, grant="g1"), 1))) as broker:
        with Client(broker.address) as client:
            grant = client.get("thing")
        with grant:
            assert os.read(grant.fileno(), 1) == b""


def test_async_grant_ends_its_lease() -> None:
    async def main(address: str) -> None:
        async with AsyncClient(address) as client, await client.get("thing") as grant:
            assert grant.leased

    with scripted(says((granted(0, grant="g1"), 1))) as broker:
        asyncio.run(main(broker.address))
    assert broker.calls[1]["parameters"] == {"grant": "g1"}


def test_a_cancelled_call_closes_the_connection() -> None:
    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            task = asyncio.create_task(client.get("thing"))
            await asyncio.wait_for(_until(lambda: bool(broker.calls)), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(Unreachable):
                await client.ping()

    with scripted(says()) as broker:
        asyncio.run(main(broker.address))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (another thread's doing)
        await asyncio.sleep(0)


def test_closing_ends_a_call_of_another_task() -> None:
    async def main(address: str) -> None:
        client = AsyncClient(address)
        task = asyncio.create_task(client.get("thing"))
        await asyncio.wait_for(_until(lambda: bool(broker.calls)), 10)
        client.close()
        with pytest.raises(Unreachable):
            await task

    with scripted(says()) as broker:
        asyncio.run(main(broker.address))


def test_a_cancellation_at_any_step_leaks_nothing() -> None:
    """The fixture of every test counts the descriptors."""

    async def main(address: str, steps: int) -> None:
        client = AsyncClient(address)
        task = asyncio.create_task(client.get("thing"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            grant = await task
        except asyncio.CancelledError:
            client.close()
        else:
            await grant.aclose()
            client.close()

    for steps in range(0, 400, 7):
        with scripted(says((granted(0, 1), 2))) as broker:
            asyncio.run(main(broker.address, steps))


def test_calls_of_several_tasks_take_turns() -> None:
    def script(broker: Scripted, connection: socket.socket) -> None:
        while take_call(broker, connection):
            send(connection, reply({"product": str(len(broker.calls))}))

    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            replies = await asyncio.gather(*(client.ping() for _ in range(20)))
        assert sorted(int(str(one["product"])) for one in replies) == list(range(1, 21))

    with scripted(script) as broker:
        asyncio.run(main(broker.address))


def test_what_is_not_unicode_is_refused_and_not_sent() -> None:
    with scripted(says(reply({}))) as broker, Client(broker.address) as client:
        with pytest.raises(UsageError):
            client.get("thing", {"part": os.fsdecode(b"\xff")})
        client.ping()
    assert len(broker.calls) == 1


def test_the_address_is_borrowed() -> None:
    with scripted(says(reply({}))) as broker:
        with Client(broker.address) as client:
            client.ping()
        with Client(broker.address) as client:
            client.ping()
    assert len(broker.calls) == 2


def test_descriptors_by_name() -> None:
    with scripted(says((granted(0, 1), 2))) as broker, Client(broker.address) as client:
        with client.get("thing") as grant:
            with pytest.raises(LookupError, match="say which descriptor: a, b"):
                grant.fileno()
            with pytest.raises(LookupError, match="no descriptor 'c': a, b"):
                grant.fileno("c")
            number = grant.detach("a")
            with pytest.raises(ValueError, match="closed or detached"):
                grant.fileno("a")
        os.close(number)


@pytest.mark.parametrize("arguments", [{"mode": "nonsense"}, {"mode": "r", "encoding": "nonsense"}])
def test_a_file_object_that_cannot_be_made_leaks_nothing(arguments: dict[str, str]) -> None:
    with (
        scripted(says((granted(0), 1))) as broker,
        Client(broker.address) as client,
        client.get("thing") as grant,
        pytest.raises((ValueError, LookupError)),
    ):
        grant.open(**arguments)
