# SPDX-License-Identifier: MIT
"""Whose turn it is: one call of one connection of each uid after the other.

A uid with a thousand calls waiting takes nothing from one that has a single one: that is served
next but one.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from fdbrokerd.connection import Connection

SLICE_NS = 1_000_000
"""After 1 ms the loop looks at its sockets again. Who has just asked waits for that and for the
reading: half as long as with 2 ms, at 1% of a flood's throughput (docs/performance.md)."""


class Turns:
    """The connections with a whole call waiting, by uid. `soon`: in the loop's next turn."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._queues: dict[int, deque[Connection]] = {}
        self._waiting: set[Connection] = set()
        self._scheduled = False
        self._at_once: dict[int, Connection] = {}
        """By uid, who had a turn without waiting last."""

    def is_next(self, connection: Connection) -> bool:
        """Tell whether a connection may have its turn at once: nobody waits, nor would by now.

        A round of the loop tells of each connection once. So the one that had the last turn of its
        uid is in another round by now; any other one of this uid waits, or the uid would be served
        as often as it has connections before another uid is.
        """
        if self._queues:
            return False
        uid = connection.caller.peer.uid
        return self._at_once.setdefault(uid, connection) is connection

    def forget(self, connection: Connection) -> None:
        """Let another one of its uid be the first, since it has gone."""
        uid = connection.caller.peer.uid
        if self._at_once.get(uid) is connection:
            del self._at_once[uid]

    def add(self, connection: Connection) -> None:
        """Let it have a turn; once, however often it asks."""
        if connection in self._waiting:
            return
        self._waiting.add(connection)
        self._queues.setdefault(connection.caller.peer.uid, deque()).append(connection)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        self._at_once.clear()
        end = monotonic_ns() + SLICE_NS
        while self._queues:
            for uid in list(self._queues):
                self._serve(uid)
            if monotonic_ns() > end:
                break
        if self._queues:
            self._schedule()

    def _serve(self, uid: int) -> None:
        queue = self._queues[uid]
        connection = queue.popleft()
        self._waiting.discard(connection)
        if not queue:
            del self._queues[uid]
        connection.turn()  # which asks again where more waits
