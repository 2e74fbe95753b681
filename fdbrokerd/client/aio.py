# SPDX-License-Identifier: MIT
"""The client for asyncio, on its own socket: asyncio's streams would drop the descriptors."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from fdbrokerd.client import endpoint, questions
from fdbrokerd.client.client import DEFAULT_TIMEOUT_SECONDS
from fdbrokerd.client.connection import Connection
from fdbrokerd.client.conversation import Reply
from fdbrokerd.client.facts import Explanation, Item, Peer
from fdbrokerd.client.grant import Grant
from fdbrokerd.client.waiter import Waiter
from fdbrokerd.errors import DescriptorsMissing, Error, NoAnswer, Unreachable

Answer = TypeVar("Answer")


class AsyncGrant(Grant):
    """A grant whose lease ends with `async with` or `aclose`; `close` leaves the lease alone."""

    __slots__ = ("_client",)

    def __init__(self, reply: Reply, client: "AsyncClient") -> None:
        super().__init__(reply)
        self._client: AsyncClient | None = client

    async def aclose(self) -> None:
        """Close what is still here and end the lease; a second one does nothing."""
        self.close()
        client, self._client = self._client, None
        if client is not None and self.leased:
            with suppress(Error):  # then it ends with this process
                await client.release(self.id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


class AsyncClient:
    """A connection to a broker for one event loop, made by `async with` or the first call.

    As `Client`; calls of several tasks are made one after the other. A call that is cancelled
    closes the connection, and what it received is closed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_seconds: float | None = DEFAULT_TIMEOUT_SECONDS,
        server_uid: int | None = None,
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._server_uid = server_uid
        self._connection: Connection | None = None
        self._closed = False
        self._waiter: Waiter | None = None
        self._turn = asyncio.Lock()

    async def get(
        self,
        resource: str,
        arguments: Mapping[str, str] | None = None,
        *,
        count: int | None = None,
    ) -> AsyncGrant:
        """Get a resource's descriptors; the caller owns the grant."""
        return await self._ask(
            *questions.get(resource, arguments, count, lambda reply: AsyncGrant(reply, self))
        )

    async def release(self, grant_id: str) -> None:
        """End a lease early."""
        await self._ask(*questions.release(grant_id))

    async def list(self) -> tuple[Item, ...]:
        """Return what this process may get."""
        return await self._ask(*questions.list_items())

    async def who_am_i(self) -> Peer:
        """Return who the broker takes this process for."""
        return await self._ask(*questions.who_am_i())

    async def explain(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> Explanation:
        """Return whether this process may do something, without doing it."""
        return await self._ask(*questions.explain(resource, arguments, do))

    async def ping(self) -> Mapping[str, object]:
        """Return the broker's vendor, product, version and interfaces."""
        return await self._ask(*questions.ping())

    async def status(self) -> Mapping[str, object]:
        """Return how the broker is; for administrators."""
        return await self._ask(*questions.status())

    async def reload(self) -> None:
        """Have the rules read again; for administrators. Raises ReloadFailed."""
        await self._ask(*questions.reload())

    async def explain_as(
        self,
        resource: str,
        arguments: Mapping[str, str] | None,
        do: str | None,
        pretended: Mapping[str, object],
    ) -> Explanation:
        """Return whether a peer that is made up would be allowed something; for administrators."""
        return await self._ask(*questions.explain_as(resource, arguments, do, pretended))

    async def explain_pid(
        self, resource: str, arguments: Mapping[str, str] | None, do: str | None, pid: int
    ) -> Explanation:
        """Return whether a running process would be allowed something; for administrators."""
        return await self._ask(*questions.explain_pid(resource, arguments, do, pid))

    async def explain_request(self, request: str) -> Explanation:
        """Return why a request of the recent past was denied; for administrators."""
        return await self._ask(*questions.explain_request(request))

    async def who_can(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> str:
        """Return who is allowed something, in lines; for administrators."""
        return await self._ask(*questions.who_can(resource, arguments, do))

    def close(self) -> None:
        """Close the connection; grants stay as they are. A second close does nothing.

        A call that is under way in another task ends with Unreachable.
        """
        self._closed = True
        if self._waiter is not None:
            self._waiter.stop(_closed())
        if self._connection is not None:
            self._connection.close()

    async def __aenter__(self) -> Self:
        async with self._turn:
            await self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _connected(self) -> Connection:
        if self._connection is None and not self._closed:
            self._connection = Connection(
                await _connect(self._address, self._timeout_seconds, self._server_uid)
            )
        if self._connection is None:
            raise _closed()
        if self._closed:  # perhaps while it was made
            self._connection.close()
        return self._connection

    async def _ask(
        self, method: str, parameters: Mapping[str, object], read: Callable[[Reply], Answer]
    ) -> Answer:
        """Make a call when it is its turn, and return what its reply becomes."""
        async with self._turn:
            return await self._call(method, parameters, read)

    async def _call(
        self, method: str, parameters: Mapping[str, object], read: Callable[[Reply], Answer]
    ) -> Answer:
        connection = await self._connected()
        with connection:
            reply = await self._exchange(connection, method, parameters)
            try:
                return read(reply)  # nothing is awaited from here on that could lose the result
            except DescriptorsMissing:
                await self._release_quietly(reply.fields.text("grant"))
                raise
            finally:
                reply.close()

    async def _release_quietly(self, grant_id: str) -> None:
        """End a lease within another call's turn."""
        if not grant_id:
            return
        with suppress(Error):  # then it ends with this process
            await self._call(*questions.release(grant_id))

    async def _exchange(
        self, connection: Connection, method: str, parameters: Mapping[str, object]
    ) -> Reply:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connection.ask(method, parameters)
                while not connection.send():
                    await self._ready(connection, writing=True)
                while True:
                    await self._ready(connection, writing=False)
                    if (reply := connection.receive()) is not None:
                        return reply
        except TimeoutError as error:
            raise NoAnswer(resource=str(parameters.get("resource", method))) from error

    async def _ready(self, connection: Connection, *, writing: bool) -> None:
        self._waiter = Waiter(connection.fileno(), writing=writing)
        try:
            await self._waiter.future
        finally:
            self._waiter.stop()
            self._waiter = None


def _closed() -> Unreachable:
    return Unreachable("the connection to the broker was closed")


async def _connect(
    address: str | None, timeout_seconds: float | None, server_uid: int | None
) -> socket.socket:
    """Connect in a thread: a non-blocking connect(2) fails on a full backlog (unix(7)).

    A thread of its own, so that what a cancelled call leaves behind is closed there and then, even
    where the loop has ended.
    """
    executor = ThreadPoolExecutor(1, "fdbrokerd-connect")
    connecting = executor.submit(endpoint.connect, address, timeout_seconds, server_uid)
    executor.shutdown(wait=False)
    waiting = asyncio.wrap_future(connecting)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_drop)
        raise


def _drop(connecting: Future[socket.socket]) -> None:
    """Close a connection that nobody waits for any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
