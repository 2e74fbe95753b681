# SPDX-License-Identifier: MIT
"""When which item is to go, and that it goes then."""

from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush

from fdbrokerd.store.alarm import Alarm, now_ns
from fdbrokerd.store.item import Item

RETRY_NS = 1_000_000_000
"""What could not be removed in time (no memory for the record) is tried again so often."""

MAX_AT_ONCE = 32
"""Then others have their turn. Nobody sees that the rest is kept longer: what is over is found no
more."""

_SLACK = 64
"""Deadlines of items that are gone and still in the heap, beyond as many as there are items."""


class Expiry:
    """A heap of deadlines and one alarm for the first of them.

    A deadline whose item went before its time is passed over when its turn comes.
    """

    def __init__(
        self, alarm: Alarm, items: Mapping[str, Item], expire: Callable[[str], bool]
    ) -> None:
        """`expire` has an item removed; False: that did not work, and is to be tried again."""
        self._alarm = alarm
        self._items = items
        self._expire = expire
        self._heap: list[tuple[int, str, int]] = []

    def add(self, item: Item) -> None:
        """Have an item go when its time is over, if ever."""
        if item.expires is None:
            return
        if len(self._heap) > 2 * len(self._items) + _SLACK:
            self._heap = [one for one in self._heap if self._is_about(one)]
            heapify(self._heap)
        deadline = (item.expires, item.name, item.created)
        heappush(self._heap, deadline)
        if self._heap[0] == deadline:
            self._alarm.set(item.expires, self.pass_by)

    def pass_by(self) -> None:
        """Have what goes whose time is over; the rest of it when the alarm rings again, at once."""
        later = None
        now = now_ns()
        for _ in range(MAX_AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                break
            deadline = heappop(self._heap)
            if self._is_about(deadline) and not self._expire(deadline[1]):
                heappush(self._heap, deadline)
                later = now + RETRY_NS
                break
        if self._heap:
            self._alarm.set(later or self._heap[0][0], self.pass_by)

    def _is_about(self, deadline: tuple[int, str, int]) -> bool:
        item = self._items.get(deadline[1])
        return item is not None and (item.expires, item.created) == (deadline[0], deadline[2])

    def close(self) -> None:
        """Let nothing go any more."""
        self._alarm.close()
