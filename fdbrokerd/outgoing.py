# SPDX-License-Identifier: MIT
"""The sending half of one peer's stream: an answer at a time, at once or as the peer makes room."""

import _socket
import asyncio
from typing import Protocol

from fdbrokerd.channel import send
from fdbrokerd.deadline import Deadline
from fdbrokerd.exchange import Answer
from fdbrokerd.listening import unread_bytes
from fdbrokerd.wire import MAX_DESCRIPTORS

MAX_UNREAD = MAX_DESCRIPTORS
"""Descriptors that one connection may leave unread: those of the largest answer. The kernel counts
what is on its way for the sender, all receivers together, against its limit on open files (unix(7),
ETOOMANYREFS): as many connections as there may be, times this, stay below the unit's."""

UNREAD_SECONDS = 0.01
"""Between two looks whether a peer has read; the kernel tells nobody."""


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

    __slots__ = (
        "_deadline",
        "_loop",
        "_rest",
        "_retry",
        "_seconds",
        "_sender",
        "_socket",
        "_unread",
    )

    def __init__(
        self,
        connected: _socket.socket,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        sender: Sender,
    ) -> None:
        self._socket = connected
        self._loop = loop
        self._seconds = seconds
        self._sender = sender
        self._rest: tuple[memoryview, Answer] | None = None
        self._deadline: Deadline | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._unread = 0

    @property
    def has_unread(self) -> bool:
        """Tell whether descriptors were sent that the peer has not received."""
        return bool(self._unread) and unread_bytes(self._socket) > 0

    def _has_room(self, count: int) -> bool:
        """Tell whether so many more may be on their way to this peer."""
        if self._unread + count > MAX_UNREAD and not self.has_unread:
            self._unread = 0
        return self._unread + count <= MAX_UNREAD

    @property
    def busy(self) -> bool:
        """Tell whether an answer waits for the peer to read."""
        return self._rest is not None

    def send(self, answer: Answer) -> None:
        """Send an answer, or as much of it as the peer has room for."""
        data, opened = answer.data, answer.opened
        attached = 0 if opened is None else len(opened.descriptors)
        if self._unread + attached > MAX_UNREAD and not self._has_room(attached):
            self._keep(answer, 0)
            self._wait_for_reading(attached)
            return
        try:
            count = send(self._socket, data, [] if opened is None else opened.rights)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._could_not(answer, error)
            return
        if count:
            self._unread += attached
        if count == len(data):
            answer.delivered()
            self._sender.sent()
            return
        self._keep(answer, count)
        self._loop.add_writer(self._socket, self._on_writable)

    def _keep(self, answer: Answer, count: int) -> None:
        """Keep what of an answer has not left, for as long as a peer may take."""
        self._rest = (memoryview(answer.data)[count:], answer)
        self._deadline = Deadline(self._loop, self._seconds, self._sender.stuck)

    def _wait_for_reading(self, attached: int) -> None:
        if self._has_room(attached):
            self._loop.add_writer(self._socket, self._on_writable)
        else:
            self._retry = self._loop.call_later(UNREAD_SECONDS, self._wait_for_reading, attached)

    def _could_not(self, answer: Answer, error: OSError) -> None:
        """Tell the peer, where only the descriptors were in the way.

        EPERM: it refuses them (SO_PASSRIGHTS=0). ETOOMANYREFS: too many are on their way. Nothing
        has left in either case.
        """
        instead = answer.instead(error.errno or 0)
        if answer.opened is None or instead is None:
            answer.delivered("the peer is gone")
            self._sender.gone()
            return
        answer.delivered(f"the descriptors could not be sent: {error.strerror}")
        self.send(instead)

    def _on_writable(self) -> None:
        """Send the rest; the descriptors went with the first byte."""
        assert self._rest is not None
        rest, answer = self._rest
        unsent = answer.opened if len(rest) == len(answer.data) else None
        try:
            count = send(self._socket, rest, [] if unsent is None else unsent.rights)
        except BlockingIOError:
            return
        except OSError:
            self._sender.gone()
            return
        if unsent is not None:
            self._unread += len(unsent.descriptors)
        if count < len(rest):
            self._rest = (rest[count:], answer)
            return
        self._stop()
        answer.delivered()
        self._sender.sent()

    def _stop(self) -> None:
        self._rest = None
        self._loop.remove_writer(self._socket)
        for timer in (self._deadline, self._retry):
            if timer is not None:
                timer.cancel()
        self._deadline = self._retry = None

    def close(self) -> None:
        """Give up what was not sent, before the socket is closed."""
        if self._rest is not None:
            _, answer = self._rest
            self._stop()
            answer.delivered("the peer did not read it")
