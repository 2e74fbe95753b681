# SPDX-License-Identifier: MIT
"""The sending half of one peer's stream: an answer at a time, at once or as the peer makes room."""

import asyncio
import socket
from typing import Protocol

from fdbrokerd.channel import send
from fdbrokerd.exchange import Answer


class Sender(Protocol):
    """What is told how it went, each time by exactly one of these."""

    def sent(self) -> None:
        """Go on: the answer has left."""
        ...

    def gone(self) -> None:
        """Close: the peer is no more."""
        ...

    def stuck(self) -> None:
        """Hang up: the peer does not read."""
        ...


class Outgoing:
    """The answer that is on its way. The socket is borrowed."""

    __slots__ = ("_deadline", "_loop", "_rest", "_seconds", "_sender", "_socket")

    def __init__(
        self,
        connected: socket.socket,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        sender: Sender,
    ) -> None:
        self._socket = connected
        self._loop = loop
        self._seconds = seconds
        self._sender = sender
        self._rest: tuple[memoryview, Answer] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Tell whether an answer waits for the peer to read."""
        return self._rest is not None

    def send(self, answer: Answer) -> None:
        """Send an answer, or as much of it as the peer has room for."""
        try:
            count = send(self._socket, answer.data, answer.descriptors)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._could_not(answer, error)
            return
        if count == len(answer.data):
            answer.delivered()
            self._sender.sent()
            return
        self._rest = (memoryview(answer.data)[count:], answer)
        self._deadline = self._loop.call_later(self._seconds, self._sender.stuck)
        self._loop.add_writer(self._socket, self._on_writable)

    def _could_not(self, answer: Answer, error: OSError) -> None:
        """Tell the peer, where only the descriptors were in the way.

        EPERM: it refuses them (SO_PASSRIGHTS=0). ETOOMANYREFS: too many are on their way. Nothing
        has left in either case.
        """
        if not answer.descriptors or answer.instead is None:
            answer.delivered("the peer is gone")
            self._sender.gone()
            return
        answer.delivered(f"the descriptors could not be sent: {error.strerror}")
        self.send(answer.instead(error.errno or 0))

    def _on_writable(self) -> None:
        """Send the rest; the descriptors went with the first byte."""
        assert self._rest is not None
        rest, answer = self._rest
        begun = len(rest) < len(answer.data)
        try:
            count = send(self._socket, rest, () if begun else answer.descriptors)
        except BlockingIOError:
            return
        except OSError:
            self._sender.gone()
            return
        if count < len(rest):
            self._rest = (rest[count:], answer)
            return
        self._stop()
        answer.delivered()
        self._sender.sent()

    def _stop(self) -> None:
        self._rest = None
        self._loop.remove_writer(self._socket)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def close(self) -> None:
        """Give up what was not sent, before the socket is closed."""
        if self._rest is not None:
            _, answer = self._rest
            self._stop()
            answer.delivered("the peer did not read it")
