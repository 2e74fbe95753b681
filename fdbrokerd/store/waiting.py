# SPDX-License-Identifier: MIT
"""Who waits for which item, in the order of arrival. A waiter is a few hundred bytes."""

from collections.abc import Callable, Iterable

Again = Callable[[], bool]
"""Asks again, and tells whether that came to an end."""


class Waiting:
    """The waiters by the name of the item that each waits for."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[int, Again]] = {}
        self._tickets = 0

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

    def any(self, name: str) -> bool:
        """Tell whether somebody waits for the item."""
        return name in self._queues

    def names(self) -> Iterable[str]:
        """Return what is waited for."""
        return tuple(self._queues)

    def wake(self, name: str, worth_it: Callable[[], bool]) -> None:
        """Let those who wait ask again, one after the other, while it is worth it.

        Who still waits keeps the place.
        """
        for ticket, again in tuple(self._queues.get(name, {}).items()):
            if not worth_it():
                return
            if ticket in self._queues.get(name, {}) and again():
                self._leave(name, ticket)
