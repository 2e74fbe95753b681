# SPDX-License-Identifier: MIT
"""The capabilities of this process (capabilities(7)), by their numbers in linux/capability.h."""

import ctypes
import os
import struct
from enum import IntEnum

_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """Those that something here needs."""

    CAP_CHOWN = 0
    CAP_DAC_OVERRIDE = 1
    CAP_DAC_READ_SEARCH = 2
    CAP_SETGID = 6
    CAP_SETUID = 7
    CAP_SYS_PTRACE = 19


def effective() -> int:
    """Return the effective set, a bit for each."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return int(next(line.split()[1] for line in file if line.startswith("CapEff:")), 16)


def have(*wanted: Capability) -> bool:
    """Tell whether this process has all of these."""
    ours = effective()
    return all(ours & 1 << one for one in wanted)


def drop_all() -> None:
    """Have none from here on, the ambient ones included.

    Raises OSError, of a filter that takes capset(2) for a privilege.
    """
    header = struct.pack("Ii", _VERSION_3, 0)  # this thread
    none = bytes(2 * 3 * 4)  # effective, permitted and inheritable, twice 32 of them
    if _libc.capset(header, none) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
