# SPDX-License-Identifier: MIT
"""Which held descriptors have lost their other end: a pipe's writer, a socket's peer.

They are in an epoll set of their own that asks for no event: only what cannot be refused comes,
EPOLLHUP and EPOLLERR (epoll_ctl(2)). Each is told once; the loop would spin on it otherwise.
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from errno import ENOTCONN

from fdbrokerd.fd import OwnedFd

TELL_TYPES = frozenset({"socket", "pipe", "pidfd", "tun"})
"""What is watched, by `model.holding.TYPES`. Not a pty: poll(2) of a terminal waits for whoever
changes its line discipline (TIOCSETD), five seconds each time and as often as its sender likes. An
eventfd, a timerfd and memory have no other end."""

_MAX_AT_ONCE = 64


class Hangups:
    """The held descriptors that are watched, by the id under which each is held."""

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], object],
    ) -> None:
        self.tell: Callable[[int], None] = lambda _: None
        """Told the id of each that hangs up."""
        self._unwatch = unwatch
        self._epoll = select.epoll()
        self._ids: dict[int, int] = {}
        watch(self._epoll.fileno(), self._on_readable)

    def add(self, identity: int, descriptor: int) -> None:
        """Watch a borrowed descriptor. What cannot be polled, a file, does not hang up.

        One that is watched already is for another item now, which has not been told either.
        """
        if descriptor in self._ids:
            self._epoll.modify(descriptor, select.EPOLLONESHOT)
            return
        if _was_never_connected(descriptor):
            return
        try:
            self._epoll.register(descriptor, select.EPOLLONESHOT)
        except OSError:
            # EPERM; or ENOSPC and ENOMEM, and then nobody is told: what is held counts more.
            return
        self._ids[descriptor] = identity

    def forget(self, descriptor: int) -> None:
        """Watch it no more; before it is closed, since its copies would keep it in the set."""
        if self._ids.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def _on_readable(self) -> None:
        # By ids, which are never used again: what is told may close some of these descriptors, and
        # have others opened under their numbers.
        hung_up = [
            self._ids.get(number)
            for number, events in self._epoll.poll(0, _MAX_AT_ONCE)
            if not _is_error_only(number, events)
        ]
        for identity in hung_up:
            if identity is not None:
                self.tell(identity)

    def close(self) -> None:
        """Watch none any more."""
        self._unwatch(self._epoll.fileno())
        self._epoll.close()


def _was_never_connected(descriptor: int) -> bool:
    """Tell whether it is a socket without another end, which poll(2) says is hung up."""
    poll = select.poll()
    poll.register(descriptor, 0)
    if not any(events & select.POLLHUP for _, events in poll.poll(0)):
        return False
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return False
    with OwnedFd.copy_of(descriptor) as copy:
        one = socket.socket(fileno=copy.detach())
    with one:
        try:
            one.getpeername()
        except OSError as error:
            return error.errno == ENOTCONN
    return False


def _is_error_only(descriptor: int, events: int) -> bool:
    """Tell whether a socket has an error to report and nothing else: that is no hang-up.

    Whoever can send an ICMP message makes one for a UDP socket. A pipe without readers says no
    more than EPOLLERR, either.
    """
    return not events & select.EPOLLHUP and stat.S_ISSOCK(os.fstat(descriptor).st_mode)
