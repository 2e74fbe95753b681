# SPDX-License-Identifier: MIT
"""Who is told what happens to items."""

from collections.abc import Callable
from enum import Enum

from fdbrokerd.model.resource import resource_of


class Event(Enum):
    """What happens to an item, by its name on the wire."""

    ADDED = "added"
    REPLACED = "replaced"
    REMOVED = "removed"
    EXPIRED = "expired"
    HANGUP = "hangup"


Tell = Callable[[Event, str], None]


class Watching:
    """The watchers, by the resource or the item that each watches."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Tell]] = {}

    def add(self, name: str, tell: Tell) -> Callable[[], None]:
        """Have `tell` called with each event of an item, or of any item of a resource.

        Returns what ends that.
        """
        self._watchers.setdefault(name, []).append(tell)

        def leave() -> None:
            watchers = self._watchers.get(name, [])
            if tell in watchers:
                watchers.remove(tell)
            if not watchers:
                self._watchers.pop(name, None)

        return leave

    def tell(self, event: Event, item: str) -> None:
        """Tell those who watch the item or its resource."""
        for name in (item, resource_of(item)):
            for tell in tuple(self._watchers.get(name, ())):
                tell(event, item)
