# SPDX-License-Identifier: MIT
"""Runs the daemon with openat2(2) answering ENOSYS, as RestrictSUIDSGID=yes makes it (seccomp(2)).

A program: `python -m tests.daemon.without_openat2 OPTION...`
"""

import ctypes
import struct
import sys
from errno import ENOSYS

from fdbrokerd.cli.daemon import main
from fdbrokerd.openat2 import SYS_OPENAT2

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06

INSTRUCTIONS = (
    (LOAD_WORD, 0, 0, 0),  # the number of the system call
    (JUMP_IF_EQUAL, 0, 1, SYS_OPENAT2),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO | ENOSYS),
    (RETURN, 0, 0, SECCOMP_RET_ALLOW),
)


def install() -> None:
    """Filter the call in this process and all that it becomes."""
    code = b"".join(struct.pack("HBBI", *each) for each in INSTRUCTIONS)
    program = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HP", len(INSTRUCTIONS), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    buffer = ctypes.create_string_buffer(header, len(header))
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(buffer)),
    ):
        if libc.prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    install()
    sys.exit(main())
