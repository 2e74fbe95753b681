# SPDX-License-Identifier: MIT
"""Where the kernel keeps what has no path: its own mounts, which no mountinfo lists.

The text of a link can be forged: `memfd:x (deleted)` as a name on somebody's detached tmpfs reads
like a memfd, and even answers F_GET_SEALS. The mount cannot, so one of each is made to compare.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge.fdinfo import fdinfo

_MFD_HUGE_SHIFT = 26
_HUGE_SIZES = (0, *range(14, 35))
"""Logarithms of the sizes of huge pages, 16 KiB to 16 GiB, and 0 for the default: each size that
the machine has is a mount of its own (memfd_create(2))."""


class References(Struct, frozen=True):
    """The ids of mounts."""

    memory: frozenset[int]
    pipe: int
    socket: int
    anonymous: int
    process: int


@cache
def references() -> References:
    """Return them; they never change while the machine is up."""
    memory = {_mount(lambda: os.memfd_create("reference", os.MFD_CLOEXEC))}
    for size in _HUGE_SIZES:
        flags = os.MFD_CLOEXEC | os.MFD_HUGETLB | size << _MFD_HUGE_SHIFT
        with suppress(OSError):  # no pages of this size, or none at all
            memory.add(_mount(lambda flags=flags: os.memfd_create("reference", flags)))  # type: ignore[misc]
    return References(
        frozenset(memory),
        pipe=_mount(_pipe),
        socket=_mount(lambda: socket.socket(socket.AF_UNIX).detach()),
        anonymous=_mount(lambda: os.eventfd(0, os.EFD_CLOEXEC)),
        process=_mount(lambda: os.pidfd_open(os.getpid())),
    )


def _mount(make: Callable[[], int]) -> int:
    with OwnedFd(make()) as made:
        return fdinfo(made.fileno()).mount


def _pipe() -> int:
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    OwnedFd(write_end).close()
    return read_end
