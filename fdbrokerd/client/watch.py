# SPDX-License-Identifier: MIT
"""What happens to items, as it happens."""

from __future__ import annotations

from collections import deque

from fdbrokerd.client import questions
from fdbrokerd.errors import Error, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from fdbrokerd.client.facts import Event
    from fdbrokerd.client.link import Link

READY = "ready"
"""The event that ends those of what was there before, and is nobody's but the watch's."""


class Watch:
    """An iterator of events, on a connection of its own while the `with` block runs.

    Entering returns when nothing can be missed any more. The first events are "added", one for each
    item that was there. Iterating waits for ever; it raises Unreachable when the broker goes away.
    With select(2) and its like: `fileno` is readable when `arrived` has more, so call that once
    before the first wait. A connection that was inherited (fd:N) is of no other use from then on.
    """

    def __init__(self, connect: Callable[[], Link], resource: str) -> None:
        self._connect = connect
        self._resource = resource
        self._link: Link | None = None
        self._events: deque[Event] = deque()
        self._fault: Error | None = None
        self.ended = False
        """Whether the broker said that no more events will come."""

    def __enter__(self) -> Self:
        link = self._link = self._connect()
        try:
            deadline = link.deadline()
            link.begin(questions.WATCH, {"resource": self._resource})
            while (event := link.next(questions.event, deadline)).event != READY:
                self._note(event)
        except BaseException:
            link.close()
            raise
        return self

    def fileno(self) -> int:
        """Return the number to wait for. Raises Unreachable once closed."""
        return self._entered().fileno()

    def arrived(self) -> list[Event]:
        """Return the events that have arrived and were not told yet; waits for nothing."""
        link = self._entered()
        try:
            while not self.ended and (event := link.arrived(questions.event)) is not None:
                self._note(event)
        except Error as error:
            if not self._events:
                raise
            self._fault = error  # the next time
        events = list(self._events)
        self._events.clear()
        return events

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if not self._events:
            if self.ended:
                raise StopIteration
            self._note(self._entered().next(questions.event, None))
        return self._events.popleft()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._link.close()

    def _entered(self) -> Link:
        if self._link is None:
            raise Unreachable("a watch begins with its `with` block")
        if self._fault is not None:
            raise self._fault
        return self._link

    def _note(self, event: Event) -> None:
        self._events.append(event)
        self.ended = event.last
