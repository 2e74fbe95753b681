# SPDX-License-Identifier: MIT
"""Has descriptors closed by a child.

close(2) by whoever closes last waits for a TCP socket with SO_LINGER (socket(7)), for one that is
queued in an AF_UNIX socket, and for the blocks of a large file without a name. A signal ends the
first two, and a process that is ending does not begin them, so a child that takes too long is
killed and another goes on.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.opener.job import Discard, pack
from fdbrokerd.opener.packet import GO, send
from fdbrokerd.opener.zygote import Child, Zygote
from fdbrokerd.wire import MAX_DESCRIPTORS

DEADLINE_SECONDS = 0.1
"""For one packet, 253 descriptors at the most. Short, since it costs nothing to kill a child that
is only slow: its end closes all it has. At two seconds a peer that abandons Puts with a lingering
socket in each fills the daemon's table of descriptors."""

RETRY_SECONDS = 1.0
"""Until it is tried again where no child can be made, or too much is in flight (unix(7))."""

MAX_STUCK = 16
"""Children that were killed and have not ended yet. What is judged does not hang like that; still
they must not become many, so what is left waits for one of them to end."""

MAX_STUCK_PER_UID = 2
"""Of one user's descriptors, for what a peer left unjudged can hang (a FUSE file that is mapped):
then what others left is closed all the same."""

JUDGED = -1
"""Instead of a uid: what was held, by whomever."""


class Closer:
    """What is to be closed, and the child that does it.

    There is no limit to what may wait: it is held until it is closed, whoever does that.
    """

    def __init__(self, zygote: Zygote, loop: asyncio.AbstractEventLoop) -> None:
        self._zygote = zygote
        self._loop = loop
        self._waiting: dict[int, deque[OwnedFd]] = {}
        """By uid, in the order of their turns."""
        self._child: Child | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._uid = JUDGED
        """Whose the child has."""
        self._stuck: dict[Child, int] = {}

    def add(self, descriptors: Iterable[OwnedFd], uid: int) -> None:
        """Have them closed, owned from here on. Never fails, never waits."""
        own = deque(descriptors)
        if own:
            self._waiting.setdefault(uid, deque()).extend(own)
            self._go_on()

    def _go_on(self) -> None:
        """Give the child the next packet, unless it is at work."""
        uid = self._next()
        if self._deadline is not None or uid is None:
            return
        if not self._sent(uid):
            if self._retry is None:
                self._retry = self._loop.call_later(RETRY_SECONDS, self._again)
            return
        assert self._child is not None
        self._deadline = self._loop.call_later(DEADLINE_SECONDS, self._late)
        self._loop.add_reader(self._child.channel, self._answered)

    def _next(self) -> int | None:
        """Return whose turn it is: of those who have not hung too many children."""
        if len(self._stuck) >= MAX_STUCK:
            return None
        stuck = list(self._stuck.values())
        free = (uid for uid in self._waiting if stuck.count(uid) < MAX_STUCK_PER_UID)
        return next(free, None)

    def _again(self) -> None:
        self._retry = None
        self._go_on()

    def _sent(self, uid: int) -> bool:
        """Send a packet of a user's to the child, or to a new one where that has ended.

        Ours are closed between the packet and GO: the child holds copies until then, so that what
        blocks never blocks us.
        """
        waiting = self._waiting[uid]
        batch = list(islice(waiting, MAX_DESCRIPTORS))
        numbers = [one.fileno() for one in batch]
        while True:
            fresh = self._child is None
            try:
                child = self._child = self._child or self._zygote.child()
                send(child.channel, pack(Discard()), numbers)
            except (OSError, Error):
                if self._child is not None:
                    self._child.close()
                    self._child = None
                if fresh:
                    return False
                continue
            for _ in batch:
                waiting.popleft()
            del self._waiting[uid]
            if waiting:
                self._waiting[uid] = waiting  # behind the others
            self._uid = uid
            close_all(batch)
            _say_go(child)
            return True

    def _answered(self) -> None:
        """Go on: it is done, or has ended, which has closed them as well."""
        child = self._stop_waiting()
        try:
            ended = not child.channel.recv(1)
        except OSError:
            ended = True
        if ended:
            child.close()
            self._child = None
        self._go_on()

    def _late(self) -> None:
        """Kill the child, and go on with another."""
        child = self._stop_waiting()
        child.kill()
        self._child = None
        self._stuck[child] = self._uid
        self._loop.add_reader(child.pidfd.fileno(), self._ended, child)
        self._go_on()

    def _stop_waiting(self) -> Child:
        assert self._child is not None
        assert self._deadline is not None
        self._deadline.cancel()
        self._deadline = None
        self._loop.remove_reader(self._child.channel)
        return self._child

    def _ended(self, child: Child) -> None:
        self._loop.remove_reader(child.pidfd.fileno())
        del self._stuck[child]
        child.close()
        self._go_on()

    def close(self) -> None:
        """Pass on all that waits, for the end of the daemon, and let the children end.

        What cannot be passed on is left open for the end of this process, which closes it without
        lingering: close(2) would.
        """
        if self._retry is not None:
            self._retry.cancel()
        if self._deadline is not None:
            self._stop_waiting()
        while self._waiting and self._sent(next(iter(self._waiting))):
            pass
        for waiting in self._waiting.values():
            for one in waiting:
                one.detach()
        self._waiting.clear()
        for child in list(self._stuck):
            self._ended(child)
        if self._child is not None:
            self._child.close()


def _say_go(child: Child) -> None:
    try:
        send(child.channel, GO)
    except OSError:
        child.kill()  # it has ended, or hears nothing: its end closes them too
