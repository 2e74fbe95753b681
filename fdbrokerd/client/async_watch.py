# SPDX-License-Identifier: MIT
"""What happens to items, as it happens, for a task."""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from fdbrokerd.client import questions
from fdbrokerd.client.async_link import AsyncLink
from fdbrokerd.client.facts import Event
from fdbrokerd.client.watch import READY
from fdbrokerd.errors import Unreachable


class AsyncWatch:
    """As `Watch`, with `async with` and `async for`; one task at a time."""

    def __init__(self, connect: Callable[[], AsyncLink], resource: str) -> None:
        self._connect = connect
        self._resource = resource
        self._link: AsyncLink | None = None
        self._events: deque[Event] = deque()
        self._ended = False

    async def __aenter__(self) -> Self:
        link = self._connect()
        async with link.in_time(self._resource):
            await link.begin(questions.WATCH, {"resource": self._resource})
            try:
                while (event := await link.next(questions.event)).event != READY:
                    self._note(event)
            except BaseException:
                link.end()
                raise
        self._link = link
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._events:
            if self._ended:
                raise StopAsyncIteration
            if self._link is None:
                raise Unreachable("a watch begins with its `async with` block")
            self._note(await self._link.next(questions.event))
        return self._events.popleft()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._link.end()

    def _note(self, event: Event) -> None:
        self._events.append(event)
        self._ended = event.last
