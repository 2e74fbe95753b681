# SPDX-License-Identifier: MIT
"""A connection that tasks wait for, on its own socket: asyncio's streams drop descriptors."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress

from fdbrokerd.client import endpoint, questions
from fdbrokerd.client.async_connect import connect
from fdbrokerd.client.connection import Connection
from fdbrokerd.client.doubt import doubt
from fdbrokerd.client.link import COMMIT_PAUSE_SECONDS, become, call_name
from fdbrokerd.client.waiter import Waiter
from fdbrokerd.errors import (
    Busy,
    DescriptorsMissing,
    Error,
    NoAnswer,
    ProtocolError,
    Unreachable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.deposit import Deposit
    from fdbrokerd.client.offer import Offer
    from fdbrokerd.client.questions import Answer, Question


class AsyncLink:
    """One connection, made when it is needed; calls of several tasks take turns.

    A call that is cancelled closes the connection, and what it received is closed.
    """

    def __init__(
        self, address: str | None, timeout_seconds: float | None, server_uid: int | None
    ) -> None:
        self._where = address, timeout_seconds, server_uid
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None
        self._closed = False
        self._waiter: Waiter | None = None
        self._turn = asyncio.Lock()

    def another(self) -> AsyncLink:
        """Return a link on a connection of its own; one that was inherited (fd:N) is shared."""
        link = AsyncLink(*self._where)
        if endpoint.inherited(self._where[0]):
            link._turn = self._turn
        return link

    async def connect(self) -> None:
        """Connect now, and not with the first call."""
        async with self._turn:
            await self._connected()

    async def ask(
        self,
        method: str,
        parameters: Mapping[str, object],
        read: Callable[[Reply], Answer],
        wait_seconds: float | None = None,
    ) -> Answer:
        """Make a call when it is its turn, and return what its reply becomes.

        The broker may take `wait_seconds` longer than otherwise.
        """
        async with self._turn:
            return await self._call(method, parameters, read, wait_seconds)

    async def put(self, question: Question[Deposit], offer: Offer) -> str:
        """Put what is offered, in one turn, and return the item's name."""
        async with self._turn:
            deposit = await self._call(*question)
            try:
                with deposit:
                    deposit.send(offer)
            except Error:
                with suppress(Error):  # the broker need not keep the transaction
                    await self._call(*questions.commit(deposit.transaction))
                raise
            return await self._commit(deposit.transaction)

    async def commit(self, transaction: str) -> str:
        """Commit, and once more where the connection is lost before the answer."""
        async with self._turn:
            return await self._commit(transaction)

    async def begin(self, method: str, parameters: Mapping[str, object]) -> None:
        """Begin a call that is answered many times, each time a `next`; it keeps the turn."""
        await self._turn.acquire()
        try:
            connection = await self._connected()
            with connection:
                await self._send(connection, method, parameters, more=True)
        except BaseException:
            self._turn.release()
            raise

    async def next(self, read: Callable[[Reply], Answer]) -> Answer:
        """Wait for the next reply and return what it becomes."""
        connection = await self._connected()
        with connection:
            while (reply := connection.receive()) is None:
                await self._ready(connection, writing=False)
            return become(reply, read)

    @asynccontextmanager
    async def in_time(self, what: str, wait_seconds: float | None = None) -> AsyncIterator[None]:
        """Raise NoAnswer for what takes longer than a call may, and `wait_seconds`."""
        seconds = None
        if self._timeout_seconds is not None and wait_seconds != math.inf:
            seconds = self._timeout_seconds + (wait_seconds or 0)
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise NoAnswer(resource=what) from error

    def end(self) -> None:
        """End what `begin` began, and the connection with it."""
        self.close()
        self._turn.release()

    def close(self) -> None:
        """Close the connection; a call under way ends with Unreachable."""
        self._closed = True
        if self._waiter is not None:
            self._waiter.stop(_closed())
        if self._connection is not None:
            self._connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None and not self._closed:
            self._connection = Connection(await connect(*self._where))
        if self._connection is None:
            raise _closed()
        if self._closed:  # perhaps while it was made
            self._connection.close()
        return self._connection

    async def _call(
        self,
        method: str,
        parameters: Mapping[str, object],
        read: Callable[[Reply], Answer],
        wait_seconds: float | None = None,
    ) -> Answer:
        connection = await self._connected()
        with connection:
            async with self.in_time(call_name(method, parameters), wait_seconds):
                await self._send(connection, method, parameters)
                while True:
                    await self._ready(connection, writing=False)
                    if (reply := connection.receive()) is not None:
                        break
            try:
                return read(reply)  # nothing is awaited from here on that could lose the result
            except DescriptorsMissing:
                if reply.fields.has("grant"):
                    await self._release_quietly(reply.fields.text("grant"))
                raise
            finally:
                reply.close()

    async def _commit(self, transaction: str) -> str:
        try:
            return await self._call(*questions.commit(transaction))
        except (Unreachable, ProtocolError) as error:
            if endpoint.inherited(self._where[0]) or self._closed:
                raise
            lost = error
        self._connection = None  # closed by then
        try:
            async with self.in_time("Commit"):
                return await self._commit_again(transaction)
        except Error as error:
            raise doubt(lost, error) from error

    async def _commit_again(self, transaction: str) -> str:
        """Repeat a Commit; the broker is busy while it still carries out the first one."""
        while True:
            with suppress(Busy):
                return await self._call(*questions.commit(transaction))
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)

    async def _release_quietly(self, grant_id: str) -> None:
        """End a lease within another call's turn."""
        if not grant_id:
            return
        with suppress(Error):  # then it ends with this process
            await self._call(*questions.release(grant_id))

    async def _send(
        self,
        connection: Connection,
        method: str,
        parameters: Mapping[str, object],
        *,
        more: bool = False,
    ) -> None:
        connection.ask(method, parameters, more=more)
        while not connection.send():
            await self._ready(connection, writing=True)

    async def _ready(self, connection: Connection, *, writing: bool) -> None:
        self._waiter = Waiter(connection.fileno(), writing=writing)
        try:
            await self._waiter.future
        finally:
            self._waiter.stop()
            self._waiter = None


def _closed() -> Unreachable:
    return Unreachable("the connection to the broker was closed")
