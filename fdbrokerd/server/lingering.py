# SPDX-License-Identifier: MIT
"""What is left of connections whose peers have not read the descriptors that they were given.

A connection that is closed here leaves what was sent in its peer's queue, where the kernel goes on
counting it as ours. So it goes on being counted as its user's, too: who connects, asks, and is hung
up on, again and again, would fill the limit for everybody.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from fdbrokerd.listening import unread_bytes

LOOK_SECONDS = 0.25
"""Between two looks; the kernel tells nobody."""


class Lingering:
    """The sockets that are left, owned here, and who is told when one has gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sockets: dict[socket.socket, Callable[[], None]] = {}

    def add(self, connected: socket.socket, gone: Callable[[], None]) -> None:
        """Let the peer read what there is, and then the end; call `gone` when that is over."""
        with suppress(OSError):  # it is gone already
            connected.shutdown(socket.SHUT_RDWR)
        if not self._sockets:
            self._loop.call_later(LOOK_SECONDS, self._look)
        self._sockets[connected] = gone

    def _look(self) -> None:
        for connected, gone in list(self._sockets.items()):
            if not unread_bytes(connected):
                del self._sockets[connected]
                connected.close()
                gone()
        if self._sockets:
            self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Close them."""
        for connected in self._sockets:
            connected.close()
        self._sockets.clear()
