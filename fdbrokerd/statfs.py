# SPDX-License-Identifier: MIT
"""statfs(2), of which Python has all but the type of the file system."""

import ctypes
import os
import sys

CGROUP2 = 0x63677270

_STATFS_BYTES = 256
"""struct statfs is 120 bytes on x86-64; f_type is its first long everywhere but on s390."""

_libc = ctypes.CDLL(None, use_errno=True)


def file_system_type(path: str) -> int | None:
    """Return f_type of what a path leads to, None where that is nothing.

    May itself wait for a file system that hangs: used when rules are loaded.
    """
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.statfs(os.fsencode(path), buffer) != 0:
        return None
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)
