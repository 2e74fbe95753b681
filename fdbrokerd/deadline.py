# SPDX-License-Identifier: MIT
"""A time that somebody else has, in which a pause of our own does not count as theirs.

Stopped by a signal, a debugger or a frozen cgroup, the daemon wakes with deadlines that have passed
and with what came meanwhile. Both event loops see to the timers first then: epoll_wait(2) ends with
EINTR, and they do not ask again when the time is up. So who is late is given as long as it takes to
look at the sockets once more.
"""

import asyncio
from collections.abc import Callable

LOOK_AGAIN_SECONDS = 0.01
"""A timer that is not due yet comes after what can be read; how long it is does not matter."""


class Deadline:
    """One of them; `cancel` ends it."""

    __slots__ = ("_late", "_loop", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], None]
    ) -> None:
        """Call `late` after that time, unless what it is about was there before."""
        self._loop = loop
        self._late = late
        self._timer = loop.call_later(seconds, self._passed)

    def _passed(self) -> None:
        self._timer = self._loop.call_later(LOOK_AGAIN_SECONDS, self._late)

    def cancel(self) -> None:
        """Do not call it."""
        self._timer.cancel()
