# SPDX-License-Identifier: MIT
"""openat2(2), by its number: neither Python nor glibc before 2.41 has a name for it.

There is no way back to openat(2) where a sandbox filters it (RestrictSUIDSGID=yes answers ENOSYS):
without the RESOLVE_ flags every promise about paths would be gone. `prove` is called at start.
"""

import ctypes
import os
from errno import EAGAIN, EINVAL, EXDEV
from functools import lru_cache
from typing import Any

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd

SYS_OPENAT2 = 437
"""The same number on every architecture: it is newer than the common table (Linux 5.6)."""

AT_FDCWD = -100
"""Instead of a directory, for an absolute path (openat2(2))."""

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

TRIES = 128
"""EAGAIN means that a rename or mount elsewhere raced with `..`; each try is a new chance, and a
machine that keeps it up for so long is under attack."""


class _How(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
# No argtypes: to convert by them takes longer than the call. So what is not an int in C is given as
# what it is.
_NUMBER = ctypes.c_long(SYS_OPENAT2)
_HOW_BYTES = ctypes.c_size_t(ctypes.sizeof(_How))


@lru_cache(256)
def _how(flags: int, mode: int, resolve: int) -> Any:
    """Return a pointer to a struct open_how, of which a ruleset needs a handful."""
    return ctypes.pointer(_How(flags, mode, resolve))


def openat2(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> OwnedFd:
    """Open a path below a borrowed directory descriptor, always close-on-exec.

    Raises OSError: EXDEV where the path leaves what `resolve` allows, ELOOP for a link that it
    forbids, EAGAIN for a lease or, after many tries, a race.
    """
    how = _how(flags | os.O_CLOEXEC, mode, resolve)
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(EINVAL, "a path with a NUL")  # C would end it there
    error = EAGAIN
    tries = TRIES
    while error == EAGAIN and tries:
        number = _syscall(_NUMBER, directory, name, how, _HOW_BYTES)
        if number >= 0:
            return OwnedFd(number)
        error = ctypes.get_errno()
        tries -= 1
    raise OSError(error, os.strerror(error))


def prove() -> None:
    """Raise Error unless openat2 works here and keeps a path beneath its directory."""
    with OwnedFd(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as root:
        try:
            openat2(root.fileno(), "..", os.O_PATH, RESOLVE_BENEATH).close()
        except OSError as error:
            if error.errno == EXDEV:
                return
            raise Error(
                f"openat2(2) does not work here ({error.strerror}): a sandbox filters "
                "it (RestrictSUIDSGID=yes, DynamicUser=yes), or Linux is older than 5.6; "
                "without it no path can be opened safely"
            ) from error
    raise Error("openat2(2) does not keep a path beneath its directory here")
