# SPDX-License-Identifier: MIT
"""What a Get and a Take hand over to a task."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from fdbrokerd.client import questions
from fdbrokerd.client.async_link import AsyncLink
from fdbrokerd.client.conversation import Reply
from fdbrokerd.client.grant import Grant
from fdbrokerd.errors import Error


class AsyncGrant(Grant):
    """A grant whose lease ends with `async with` or `aclose`; `close` leaves the lease alone."""

    __slots__ = ("_end_lease",)

    def __init__(self, reply: Reply, end_lease: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(reply)
        self._end_lease: Callable[[str], Awaitable[None]] | None = end_lease

    async def aclose(self) -> None:
        """Close what is still here and end the lease; a second one does nothing."""
        self.close_descriptors()
        end_lease, self._end_lease = self._end_lease, None
        if end_lease is not None and self.leased:
            with suppress(Error):  # then it ends with this process
                await end_lease(self.id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


class AsyncTaking(AsyncGrant):
    """As `Taking`: `commit` removes the item for good, closing without that gives it back."""

    __slots__ = ("_link", "_transaction", "committed")

    def __init__(self, reply: Reply, link: AsyncLink) -> None:
        """Take the descriptors of a reply, and the link, over."""
        self._transaction = reply.fields.text("transaction")
        super().__init__(reply, lambda grant_id: link.ask(*questions.release(grant_id)))
        self._link = link
        self.committed = False

    async def commit(self) -> None:
        """Remove the item; a second commit does nothing. As `Taking.commit`."""
        if not self.committed:
            await self._link.commit(self._transaction)
            self.committed = True

    def close(self) -> None:
        """Give the item back unless it was committed, and close what is still here."""
        super().close()
        self._link.close()

    async def aclose(self) -> None:
        """Do that, and end the lease."""
        try:
            await super().aclose()
        finally:
            self.close()
