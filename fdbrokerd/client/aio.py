# SPDX-License-Identifier: MIT
"""The client for asyncio."""

from __future__ import annotations

from contextlib import contextmanager

from fdbrokerd.client import questions
from fdbrokerd.client.async_grant import AsyncGrant, AsyncTaking
from fdbrokerd.client.async_link import AsyncLink
from fdbrokerd.client.async_watch import AsyncWatch
from fdbrokerd.client.client import DEFAULT_TIMEOUT_SECONDS
from fdbrokerd.client.offer import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from fdbrokerd.client.facts import Explanation, Item, Peer
    from fdbrokerd.client.offer import Descriptors


class AsyncClient:
    """A connection to a broker for one event loop, made by `async with` or the first call.

        async with AsyncClient() as broker, await broker.get("pty") as pty:
            print(pty.properties["path"], pty.fileno("master"))

    As `Client`; calls of several tasks are made one after the other. What waits for an item or
    takes one does so on a connection of its own, and keeps no other task waiting. A call that is
    cancelled closes the connection, and what it received is closed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_seconds: float | None = DEFAULT_TIMEOUT_SECONDS,
        server_uid: int | None = None,
    ) -> None:
        self._link = AsyncLink(address, timeout_seconds, server_uid)
        self._waiting: set[AsyncLink] = set()

    async def get(
        self,
        resource: str,
        arguments: Mapping[str, str] | None = None,
        *,
        count: int | None = None,
        wait_seconds: float | None = None,
    ) -> AsyncGrant:
        """Get the descriptors of a resource or of an item; the caller owns the grant.

        Waits for an item as `Client.get` does.
        """
        question = questions.get(
            resource,
            arguments,
            count,
            wait_seconds,
            lambda reply: AsyncGrant(reply, self.release),
        )
        if wait_seconds is None:
            return await self._link.ask(*question)
        with self._another() as link:
            try:
                return await link.ask(*question, wait_seconds)
            finally:
                link.close()

    async def put(
        self,
        item: str,
        descriptors: Descriptors,
        *,
        replace: bool = False,
        ttl_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Put descriptors under a name, RESOURCE/ITEM, all or none, as `Client.put` does."""
        offer = Offer(descriptors)
        question = questions.put(
            item, offer.names, replace=replace, ttl_seconds=ttl_seconds, metadata=metadata
        )
        return await self._link.put(question, offer)

    async def take(self, item: str, *, wait_seconds: float | None = None) -> AsyncTaking:
        """Get an item and reserve it; `commit` removes it, closing without gives it back.

        On a connection of its own, whose end gives it back too.
        """
        with self._another() as link:
            try:
                return await link.ask(
                    *questions.take(item, wait_seconds, lambda reply: AsyncTaking(reply, link)),
                    wait_seconds,
                )
            except BaseException:
                link.close()
                raise

    async def remove(self, item: str) -> None:
        """Remove an item."""
        await self._link.ask(*questions.remove(item))

    def watch(self, resource: str) -> AsyncWatch:
        """Return what tells what happens to an item, or to all items of a resource."""
        return AsyncWatch(self._link.another, resource)

    async def release(self, grant_id: str) -> None:
        """End a lease early."""
        await self._link.ask(*questions.release(grant_id))

    async def list(self) -> tuple[Item, ...]:
        """Return what this process may get, and the items that it may list or has put."""
        return await self._link.ask(*questions.list_items())

    async def who_am_i(self) -> Peer:
        """Return who the broker takes this process for."""
        return await self._link.ask(*questions.who_am_i())

    async def explain(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> Explanation:
        """Return whether this process may do something, without doing it."""
        return await self._link.ask(*questions.explain(resource, arguments, do))

    async def ping(self) -> Mapping[str, object]:
        """Return the broker's vendor, product, version and interfaces."""
        return await self._link.ask(*questions.ping())

    async def status(self) -> Mapping[str, object]:
        """Return how the broker is; for administrators."""
        return await self._link.ask(*questions.status())

    async def reload(self) -> None:
        """Have the rules read again; for administrators. Raises ReloadFailed."""
        await self._link.ask(*questions.reload())

    async def explain_as(
        self,
        resource: str,
        arguments: Mapping[str, str] | None,
        do: str | None,
        pretended: Mapping[str, object],
    ) -> Explanation:
        """Return whether a peer that is made up would be allowed something; for administrators."""
        return await self._link.ask(*questions.explain_as(resource, arguments, do, pretended))

    async def explain_pid(
        self, resource: str, arguments: Mapping[str, str] | None, do: str | None, pid: int
    ) -> Explanation:
        """Return whether a running process would be allowed something; for administrators."""
        return await self._link.ask(*questions.explain_pid(resource, arguments, do, pid))

    async def explain_request(self, request: str) -> Explanation:
        """Return why a request of the recent past was denied; for administrators."""
        return await self._link.ask(*questions.explain_request(request))

    async def who_can(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> str:
        """Return who is allowed something, in lines; for administrators."""
        return await self._link.ask(*questions.who_can(resource, arguments, do))

    def close(self) -> None:
        """Close the connection; grants stay as they are. A second close does nothing.

        A call that is under way in another task ends with Unreachable.
        """
        for link in (self._link, *self._waiting):
            link.close()

    async def __aenter__(self) -> Self:
        await self._link.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _another(self) -> Iterator[AsyncLink]:
        """Lend a link that ends with the client as long as a call on it is under way."""
        link = self._link.another()
        self._waiting.add(link)
        try:
            yield link
        finally:
            self._waiting.discard(link)
