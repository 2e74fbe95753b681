# SPDX-License-Identifier: MIT
"""Who is connected, and how many of whom."""

from collections import Counter

from fdbrokerd.connection import Connection
from fdbrokerd.errors import Error
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.settings import Limits


class Guests:
    """The connections that there are. None of them is owned here."""

    class Full(Error):
        """One more would be too many."""

        def __init__(self, peer: Peer, reason: str) -> None:
            super().__init__(reason)
            self.peer = peer

    def __init__(self) -> None:
        self._connections: set[Connection] = set()
        self._of_uid: Counter[int] = Counter()

    def check(self, peer: Peer, limits: Limits) -> None:
        """Raise Full where there is no room; root has some when nobody else does.

        Who fills all places must not lock out the administrator who would end that.
        """
        if self._of_uid[peer.uid] >= limits.connections_per_uid:
            raise self.Full(peer, f"uid {peer.uid} has {limits.connections_per_uid} connections")
        room = limits.connections + (limits.connections_per_uid if peer.uid == 0 else 0)
        if len(self._connections) >= room:
            raise self.Full(peer, f"there are {limits.connections} connections")

    def add(self, connection: Connection) -> None:
        """Count a connection."""
        self._connections.add(connection)
        self._of_uid[connection.caller.peer.uid] += 1

    def remove(self, connection: Connection) -> None:
        """Count it no more."""
        self._connections.discard(connection)
        uid = connection.caller.peer.uid
        self._of_uid[uid] -= 1
        if not self._of_uid[uid]:
            del self._of_uid[uid]

    def everyone(self) -> list[Connection]:
        """Return all of them; the list does not change while they leave."""
        return list(self._connections)

    def __len__(self) -> int:
        return len(self._connections)
