# SPDX-License-Identifier: MIT
"""Whether two descriptors are one open file description (open(2)).

systemd keeps such a pair once, under the first name, and drops the second in silence. The kernel
compares two at a time; a bucket is equal for what may be the same, and has an order (`order`), so
only few are compared.
"""

import ctypes
import os
import struct
from collections.abc import Hashable
from fcntl import fcntl, ioctl
from functools import cache

F_DUPFD_QUERY = 1027
"""Linux 6.10: 1 for the same, 0 for others, EINVAL before."""

_NUMBERS = {"x86_64": 312, "aarch64": 272, "riscv64": 272, "loongarch64": 272}
_KCMP = _NUMBERS.get(os.uname().machine)
_KCMP_FILE = 0
_ORDERS = {0: 0, 1: -1, 2: 1}
"""What kcmp(2) answers, but for 3: not the same, and no order is known."""

_PTMX = os.makedev(5, 2)
"""/dev/ptmx, and the one of each devpts (Documentation/admin-guide/devices.txt)."""
_TIOCGPTN = 0x80045430
_INT = struct.Struct("i")

_syscall = ctypes.CDLL(None).syscall
# Prepared here: one of thousands in a bucket is asked about two dozen times.
_syscall.argtypes = (ctypes.c_long,) * 6
_syscall.restype = ctypes.c_long


def same_file(one: int, other: int) -> bool | None:
    """Tell whether two borrowed descriptors are one open file description; None: nobody knows.

    Neither answer may be guessed: what is taken for the same is handed out as the other, and what
    is not is lost with the daemon. So of two in one bucket that nobody can tell apart the second
    has to be refused.
    """
    if _can_query():
        return fcntl(one, F_DUPFD_QUERY, other) == 1
    return _compare(one, other)


@cache
def _can_query() -> bool:
    with open("/dev/null", "rb", buffering=0) as file:
        try:
            return fcntl(file.fileno(), F_DUPFD_QUERY, file.fileno()) == 1
        except OSError:
            return False


def _compare(one: int, other: int) -> bool | None:
    """Tell it without F_DUPFD_QUERY."""
    result = _kcmp(one, other)
    return None if result < 0 else result == 0


def order(one: int, other: int) -> int | None:
    """Tell which of two borrowed descriptors comes first: below, at or above 0, or None.

    By an order of all open file descriptions that stays while they are open, and means nothing
    else; so of thousands in one bucket only a few are compared. None: the kernel does not say.
    """
    return _ORDERS.get(_kcmp(one, other))


def _kcmp(one: int, other: int) -> int:
    """Ask kcmp(2), which kernels are built without, and sandboxes filter; below 0: no answer."""
    if _KCMP is None:
        return -1
    pid = os.getpid()
    return int(_syscall(_KCMP, pid, pid, _KCMP_FILE, one, other))


def bucket(number: int) -> Hashable:
    """Return what is equal for one open file description, of a borrowed descriptor.

    For what was judged, which makes fstat(2) safe. All eventfds and timerfds are one bucket: their
    inode is the same, and to read an eventfd's id from fdinfo would take as long as its sender
    likes, who may have locked it a million times over.
    """
    status = os.fstat(number)
    index = 0
    if status.st_rdev == _PTMX:  # the device is the same for all
        (index,) = _INT.unpack(ioctl(number, _TIOCGPTN, _INT.pack(0)))
    return status.st_dev, status.st_ino, index
