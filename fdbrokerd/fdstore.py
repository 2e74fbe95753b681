# SPDX-License-Identifier: MIT
"""systemd's descriptor store: what is put there comes back with the next start.

sd_pid_notify_with_fds(3), systemd.service(5) (FileDescriptorStoreMax=). It tells nobody when it is
full or knows a descriptor already, so its user counts and compares. The socket never blocks: what
the manager has no room for waits here, in order. No BARRIER=1 is needed: what is in the manager's
queue when the daemon dies is read before its death is.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable, MutableMapping
from errno import EAGAIN, EINTR, ENOBUFS, ENOTCONN

FDSTORE = "FDSTORE"
"""How many the manager stores: set by systemd since 254, by a drop-in before."""

MAX_STORED = 8192
"""Each store costs the manager more the more it holds (some 2 ms at this number), and names of
twelve characters come back in one environment string of at most 128 KiB."""

Then = Callable[[OSError | None], None]


def room(environment: MutableMapping[str, str]) -> int:
    """Return for how many descriptors there is room, 0 without a store."""
    text = environment.pop(FDSTORE, "")
    if not text.isascii() or not text.isdigit() or not environment.get("NOTIFY_SOCKET"):
        return 0
    return min(int(text), MAX_STORED)


class DescriptorStore:
    """The manager's store, reached through the socket for notifications, which is borrowed."""

    durable = True

    def __init__(
        self,
        notify: socket.socket,
        count: int,
        wait: Callable[[socket.socket, Callable[[], None]], object],
        leave: Callable[[socket.socket], object],
    ) -> None:
        """`wait` has a callback called when the socket has room, `leave` ends that."""
        self.room = count
        self._socket = notify
        self._wait = wait
        self._leave = leave
        self._queue: deque[tuple[bytes, int, Then]] = deque()

    def keep(self, name: str, descriptor: int, then: Then) -> None:
        """Store a borrowed descriptor, which must stay open until `then` is called.

        FDPOLL=0: without it the manager drops one whose other end has gone.
        """
        self._send(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0".encode(), descriptor, then)

    def drop(self, name: str) -> None:
        """Have what has this name closed, by the manager and without it waiting for that."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}".encode(), -1, lambda _: None)

    def _send(self, state: bytes, descriptor: int, then: Then) -> None:
        if self._queue or not self._sent(state, descriptor, then):
            if not self._queue:
                self._wait(self._socket, self._flush)
            self._queue.append((state, descriptor, then))

    def _flush(self) -> None:
        while self._queue:
            if not self._sent(*self._queue[0]):
                return
            self._queue.popleft()
        self._leave(self._socket)

    def _sent(self, state: bytes, descriptor: int, then: Then) -> bool:
        """Send one; tell False where it has to wait. `then` comes when the queue is consistent."""
        rights = []
        if descriptor >= 0:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
        try:
            self._socket.sendmsg([state], rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno in {EAGAIN, EINTR, ENOBUFS}:
                return False
            then(error if error.errno else OSError(ENOTCONN, "the service manager is gone"))
            return True
        then(None)
        return True


class NoStore:
    """No store: what is held lives as long as the daemon."""

    durable = False

    def __init__(self, count: int) -> None:
        """`count`: how many descriptors may be held."""
        self.room = min(count, MAX_STORED)

    def keep(self, name: str, descriptor: int, then: Then) -> None:  # noqa: ARG002
        """Say at once that nothing stands in the way."""
        then(None)

    def drop(self, name: str) -> None:
        """Do nothing."""
