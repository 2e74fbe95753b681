# SPDX-License-Identifier: MIT
"""Which items are kept for one Take or one answer, and what waits for the end of that."""

from fdbrokerd.store.watching import Event


class Reservations:
    """By the item's name. Each has a ticket, since who may remove an item ends its reservation."""

    def __init__(self) -> None:
        self._tickets: dict[str, int] = {}
        self._after: dict[str, Event] = {}
        self._last = 0

    def __contains__(self, name: str) -> bool:
        return name in self._tickets

    def begin(self, name: str) -> int:
        """Keep an item; return the ticket."""
        self._last += 1
        self._tickets[name] = self._last
        return self._last

    def lasts(self, name: str, ticket: int) -> bool:
        """Tell whether a reservation is still there."""
        return self._tickets.get(name) == ticket

    def put_off(self, name: str, event: Event) -> None:
        """Have something happen to a reserved item when that is over: HANGUP counts before all."""
        if self._after.get(name) is not Event.HANGUP:
            self._after[name] = event

    def end(self, name: str) -> Event | None:
        """End a reservation; return what was put off, None for nothing."""
        self._tickets.pop(name, None)
        return self._after.pop(name, None)
