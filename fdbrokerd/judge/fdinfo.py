# SPDX-License-Identifier: MIT
"""What the kernel says of an open file description in /proc/self/fdinfo."""

import os

from msgspec import Struct

from fdbrokerd.judge.judged import Refused

O_PATH = os.O_PATH

MAX_FDINFO_BYTES = 64 * 1024
"""A few lines, and one for each lock on the file: those are the sender's (proc_pid_fdinfo(5))."""


class FdInfo(Struct, frozen=True):
    """Its flags as fcntl(2) F_GETFL has them, its mount, and what its own driver adds."""

    flags: int
    mount: int
    more: dict[str, str]
    """Not all of it can be believed: a dma-buf prints a name that its owner chose, newlines too."""

    @property
    def path_only(self) -> bool:
        """Tell whether it was opened with O_PATH, so that nothing is open at all."""
        return bool(self.flags & O_PATH)

    @property
    def readable(self) -> bool:
        """Tell whether it was opened for reading."""
        return self.flags & os.O_ACCMODE in {os.O_RDONLY, os.O_RDWR}


def fdinfo(number: int) -> FdInfo:
    """Return it for a borrowed descriptor. No file system has a say in it."""
    with open(f"/proc/self/fdinfo/{number}", "rb", buffering=0) as file:
        data = bytearray()
        while chunk := file.read(MAX_FDINFO_BYTES + 1 - len(data)):
            data += chunk
    if len(data) > MAX_FDINFO_BYTES:
        raise Refused("too much is locked in it: give up its locks (fcntl F_UNLCK) first")
    lines: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(":")
        lines.setdefault(key, value.strip())  # the kernel's own come first
    try:
        return FdInfo(int(lines["flags"], 8), int(lines["mnt_id"]), lines)
    except (KeyError, ValueError):
        raise Refused("the kernel does not say where it comes from (no mnt_id in fdinfo)") from None
