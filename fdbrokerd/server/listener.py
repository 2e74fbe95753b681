# SPDX-License-Identifier: MIT
"""One listening socket: accepts, and goes on when there are no descriptors left.

asyncio's own servers are not used: they call listen() again, which changes the identity that
clients see and cuts the backlog, and close the listener at EMFILE.
"""

import _socket
import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM, errorcode

from fdbrokerd.fd import OwnedFd
from fdbrokerd.listening import address_of, harden

ACCEPTS_A_TURN = 64
"""Then the connections that there are have theirs."""

PAUSE_SECONDS = 0.1
"""Without descriptors every accept fails at once: a loop that goes on trying does nothing else."""

SEND_BUFFER_BYTES = 32 * 1024
"""Replies that a peer does not read are in flight on the broker's account, each with descriptors
(unix(7), ETOOMANYREFS): in this much there is room for some fifty, in the default for 167."""

# Not `socket`'s: those are enums, whose numbers are looked up anew each time.
_FAMILY, _STREAM = int(_socket.AF_UNIX), int(_socket.SOCK_STREAM)
_SOL_SOCKET, _SO_SNDBUF = int(_socket.SOL_SOCKET), int(_socket.SO_SNDBUF)

Accepted = Callable[[_socket.socket, "Listener"], None]
TurnedAway = Callable[[_socket.socket, str], None]


class Listener:
    """A listening socket, owned here, and the resources that it serves (None: all)."""

    def __init__(
        self,
        listening: socket.socket,
        scope: tuple[str, ...] | None,
        loop: asyncio.AbstractEventLoop,
        accepted: Accepted,
        turned_away: TurnedAway,
    ) -> None:
        """`turned_away` is told of a connection that is closed next, and why."""
        self.scope = scope
        self._socket = listening
        self._loop = loop
        self._accepted = accepted
        self._turned_away = turned_away
        self._reserve: OwnedFd | None = _reserve()
        self._pause: asyncio.TimerHandle | None = None
        self._batch = 1
        self._hardened = False
        """Whether all that wait have connected since `harden`, which they have it from."""
        listening.setblocking(False)
        harden(listening)

    @property
    def address(self) -> str:
        """Return the address as the settings write it."""
        return address_of(self._socket)

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        self._loop.add_reader(self._socket, self._on_readable)

    def _on_readable(self) -> None:
        """Accept one, and more where they come faster than turns: an accept in vain has its price.

        `_accept` is what `socket.accept` is made of; what that makes of it costs as much again.
        """
        for _ in range(self._batch):
            try:
                number, _ = self._socket._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            except BlockingIOError:
                self._batch = 1
                self._hardened = True
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in {EMFILE, ENFILE, ENOBUFS, ENOMEM}:
                    raise
                self._without_descriptors(f"no descriptors are left ({errorcode[error.errno]})")
                return
            connection = _socket.socket(_FAMILY, _STREAM, 0, number)
            if not self._hardened:
                harden(connection)
            connection.setsockopt(_SOL_SOCKET, _SO_SNDBUF, SEND_BUFFER_BYTES)
            self._accepted(connection, self)
        self._batch = min(2 * self._batch, ACCEPTS_A_TURN)

    def _without_descriptors(self, reason: str) -> None:
        """Turn one client away with the descriptor kept for this, then wait a while.

        The client sees the end of the stream at once instead of silence. accept4(2) says EMFILE
        even when nobody waits, so there may be none.
        """
        if self._reserve is not None:
            self._reserve.close()
            with suppress(OSError), self._socket.accept()[0] as connection:
                self._turned_away(connection, reason)
        self._reserve = _reserve()
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self.start)

    def stop(self) -> None:
        """Accept no more. Who waits in the backlog of a socket unit's listener waits on."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._socket)

    def close(self) -> None:
        """Stop, and close the socket."""
        self.stop()
        self._socket.close()
        if self._reserve is not None:
            self._reserve.close()


def _reserve() -> OwnedFd | None:
    try:
        return OwnedFd(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return None
