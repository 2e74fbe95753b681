# SPDX-License-Identifier: MIT
"""A clock that goes on in suspend and is never set, and an alarm by it (timerfd_create(2)).

The loop's own timers go by CLOCK_MONOTONIC, which stands still in suspend: what was to last an hour
would last a night.
"""

import ctypes
import os
from collections.abc import Callable
from time import CLOCK_BOOTTIME, clock_gettime_ns

from fdbrokerd.fd import OwnedFd

_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_NS = 1_000_000_000
_libc = ctypes.CDLL(None, use_errno=True)


class _Time(ctypes.Structure):
    """struct timespec."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = (("interval", _Time), ("value", _Time))


def now_ns() -> int:
    """Return the time since the boot."""
    return clock_gettime_ns(CLOCK_BOOTTIME)


class Alarm:
    """One alarm, set to a time at a time. Python before 3.13 has no timerfd, so it is ctypes."""

    def __init__(
        self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], object]
    ) -> None:
        self._unwatch = unwatch
        number = _libc.timerfd_create(CLOCK_BOOTTIME, _TFD_FLAGS)
        if number < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._timer = OwnedFd(number)
        self._rings: Callable[[], None] = lambda: None
        watch(number, self._on_readable)

    def set(self, at: int, rings: Callable[[], None]) -> None:
        """Call `rings` at a time, instead of what was set before."""
        self._rings = rings
        # Zero would disarm it; what is past rings at once.
        value = _Time(*divmod(max(at, 1), _NS))
        setting = _Setting(_Time(0, 0), value)
        number = self._timer.fileno()
        if _libc.timerfd_settime(number, _TFD_TIMER_ABSTIME, ctypes.byref(setting), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _on_readable(self) -> None:
        try:
            os.read(self._timer.fileno(), 8)
        except BlockingIOError:
            return  # it was set again meanwhile
        self._rings()

    def close(self) -> None:
        """Ring no more."""
        self._unwatch(self._timer.fileno())
        self._timer.close()
