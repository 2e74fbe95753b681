# SPDX-License-Identifier: MIT
"""Runs the daemon with system calls that fail, as a filter of its unit's makes them (seccomp(2)).

A program: `python -m tests.daemon.filtered CALL[:FIRST]=ERRNO... OPTION...`, where FIRST is the
first argument that a call must have to fail, say the number of a descriptor.
"""

import ctypes
import errno
import re
import struct
import sys
from collections.abc import Iterable

from fdbrokerd.cli.daemon import main

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16

CALLS = {"accept4": 288, "eventfd2": 290, "memfd_create": 319, "openat2": 437}
"""Numbers of x86-64; that of openat2 is everywhere the same."""

_FAULT = re.compile(r"(?P<call>\w+)(:(?P<first>\d+))?=(?P<error>E[A-Z]+)")

Instruction = tuple[int, int, int, int]


def instructions(call: int, first: int | None, error: int) -> list[Instruction]:
    """Return what fails one call, and goes on with the others."""
    fail = (RETURN, 0, 0, SECCOMP_RET_ERRNO | error)
    load = (LOAD_WORD, 0, 0, NUMBER_AT)
    if first is None:
        return [load, (JUMP_IF_EQUAL, 0, 1, call), fail]
    return [
        load,
        (JUMP_IF_EQUAL, 0, 3, call),
        (LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_IF_EQUAL, 0, 1, first),
        fail,
    ]


def install(program: Iterable[Instruction]) -> None:
    """Filter the calls of this process and all that it becomes."""
    whole = [*program, (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    code = b"".join(struct.pack("HBBI", *each) for each in whole)
    buffer = ctypes.create_string_buffer(code, len(code))
    packed = struct.pack("HP", len(whole), ctypes.addressof(buffer))
    header = ctypes.create_string_buffer(packed, len(packed))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header)),
    ):
        if libc.prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def _run(arguments: list[str]) -> int:
    program: list[Instruction] = []
    while found := _FAULT.fullmatch(arguments[0]):
        first = None if found["first"] is None else int(found["first"])
        program += instructions(CALLS[found["call"]], first, getattr(errno, found["error"]))
        del arguments[0]
    install(program)
    return main(arguments)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
