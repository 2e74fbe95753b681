# SPDX-License-Identifier: MIT
"""Who is connected, and how many of whom."""

from fdbrokerd.connection import Connection
from fdbrokerd.errors import Error
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.settings import Limits


class Guests:
    """The connections that there are. None of them is owned here."""

    class Full(Error):
        """One more would be too many."""

        def __init__(self, ids: tuple[int, int, int], reason: str) -> None:
            super().__init__(reason)
            pid, uid, gid = ids
            self.peer = Peer(pid, uid, gid, frozenset((gid,)))

    def __init__(self) -> None:
        self._connections: set[Connection] = set()
        self._of_uid: dict[int, int] = {}
        self._lingering = 0

    def check(self, ids: tuple[int, int, int], limits: Limits) -> None:
        """Raise Full where there is no room; root has some when nobody else does.

        Who fills all places must not lock out the administrator who would end that.
        """
        _, uid, _ = ids
        if self._of_uid.get(uid, 0) >= limits.connections_per_uid:
            raise self.Full(ids, f"uid {uid} has {limits.connections_per_uid} connections")
        room = limits.connections + (limits.connections_per_uid if uid == 0 else 0)
        if self.places >= room:
            raise self.Full(ids, f"there are {limits.connections} connections")

    def add(self, connection: Connection) -> None:
        """Count a connection."""
        self._connections.add(connection)
        self._come(connection.caller.peer.uid)

    def remove(self, connection: Connection) -> None:
        """Count it no more."""
        self._connections.discard(connection)
        self._leave(connection.caller.peer.uid)

    def linger(self, uid: int) -> None:
        """Count what is left of a connection: its peer has not read what it was given."""
        self._lingering += 1
        self._come(uid)

    def go(self, uid: int) -> None:
        """Count that no more."""
        self._lingering -= 1
        self._leave(uid)

    def _come(self, uid: int) -> None:
        self._of_uid[uid] = self._of_uid.get(uid, 0) + 1

    def _leave(self, uid: int) -> None:
        self._of_uid[uid] -= 1
        if not self._of_uid[uid]:
            del self._of_uid[uid]

    def everyone(self) -> list[Connection]:
        """Return all of them; the list does not change while they leave."""
        return list(self._connections)

    @property
    def places(self) -> int:
        """Return how many places are taken, also by what is left of connections."""
        return len(self._connections) + self._lingering

    def __len__(self) -> int:
        return len(self._connections)
