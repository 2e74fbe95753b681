# SPDX-License-Identifier: MIT
"""Who waits for which item, in the order of arrival. A waiter is a few hundred bytes."""

from collections import deque
from collections.abc import Callable

Again = Callable[[], bool]
"""Asks again, and tells whether that came to an end."""


class Waiting:
    """The waiters by the name of the item that each waits for."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[int, Again]] = {}
        self._tickets = 0
        self._due: deque[tuple[str, Callable[[], bool]]] = deque()
        self._waking = False

    def add(self, name: str, again: Again) -> Callable[[], None]:
        """Have `again` called when something happens to the item; return what ends that."""
        self._tickets += 1
        ticket = self._tickets
        self._queues.setdefault(name, {})[ticket] = again
        return lambda: self._leave(name, ticket)

    def _leave(self, name: str, ticket: int) -> None:
        queue = self._queues.get(name, {})
        queue.pop(ticket, None)
        if not queue:
            self._queues.pop(name, None)

    def wake(self, name: str, worth_it: Callable[[], bool]) -> None:
        """Let those who wait ask again, one after the other, while it is worth it.

        Who still waits keeps the place. What wakes others from within, an answer that could not be
        delivered, has them asked after it and not inside it: a thousand peers that have gone are no
        recursion.
        """
        self._due.append((name, worth_it))
        if self._waking:
            return
        self._waking = True
        try:
            while self._due:
                self._ask_again(*self._due.popleft())
        finally:
            self._waking = False

    def _ask_again(self, name: str, worth_it: Callable[[], bool]) -> None:
        for ticket, again in tuple(self._queues.get(name, {}).items()):
            if not worth_it():
                return
            if ticket in self._queues.get(name, {}) and again():
                self._leave(name, ticket)
