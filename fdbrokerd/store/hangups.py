# SPDX-License-Identifier: MIT
"""Which held descriptors have lost their other end: a pipe's writer, a socket's peer, a slave.

They are in an epoll set of their own that asks for no event: only what cannot be refused comes,
EPOLLHUP and EPOLLERR (epoll_ctl(2)). Each is told once; the loop would spin on it otherwise.
"""

import select
from collections.abc import Callable

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
        """Watch a borrowed descriptor. What cannot be polled, a file, does not hang up."""
        if descriptor in self._ids:
            return
        try:
            self._epoll.register(descriptor, select.EPOLLONESHOT)
        except PermissionError:
            return
        self._ids[descriptor] = identity

    def forget(self, descriptor: int) -> None:
        """Watch it no more; before it is closed, since its copies would keep it in the set."""
        if self._ids.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def _on_readable(self) -> None:
        for descriptor, _ in self._epoll.poll(0, _MAX_AT_ONCE):
            identity = self._ids.get(descriptor)
            if identity is not None:
                self.tell(identity)

    def close(self) -> None:
        """Watch none any more."""
        self._unwatch(self._epoll.fileno())
        self._epoll.close()
