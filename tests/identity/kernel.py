# SPDX-License-Identifier: MIT
"""System calls that Python 3.11 has no names for."""

import ctypes
import os
import signal
import struct
import time
from collections.abc import Callable

from .wire import PATIENCE

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_SYS_CLONE3 = 435
_SYS_GETSOCKOPT = {"x86_64": 55, "aarch64": 209}[os.uname().machine]

# The lock on the interpreter stays taken over a fork: the child goes on in Python.
_libc = ctypes.PyDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces (unshare(2))."""
    _check(_libc.unshare(flags))


def end_with_parent() -> None:
    """Have this process killed when the one that forked it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def fork_as(pid: int, work: Callable[[], None]) -> None:
    """Fork a process with this number, which nobody has, and do the work in it (clone3(2))."""
    number = ctypes.c_int(pid)
    arguments = struct.pack(
        "=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(number), 1, 0
    )
    child = _libc.syscall(_SYS_CLONE3, arguments, len(arguments))
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    _check(child)


def await_program(pid: int, program: str) -> None:
    """Wait until a process has executed a program."""
    wanted, end = os.path.realpath(program), time.monotonic() + PATIENCE
    while os.readlink(f"/proc/{pid}/exe") != wanted:
        assert time.monotonic() < end, f"{pid} is not {wanted}"
        os.sched_yield()


def refuse_socket_option(option: int, errno: int) -> None:
    """Have getsockopt(2) of one option at SOL_SOCKET fail from now on, as of an older kernel."""
    load, equal, give_back = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    refuse, allow = 0x00050000 | errno, 0x7FFF0000
    number, level, name = 0, 16 + 8, 16 + 16  # in struct seccomp_data; little endian
    program = (
        (load, 0, 0, number),
        (equal, 0, 5, _SYS_GETSOCKOPT),
        (load, 0, 0, level),
        (equal, 0, 3, 1),
        (load, 0, 0, name),
        (equal, 0, 1, option),
        (give_back, 0, 0, refuse),
        (give_back, 0, 0, allow),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    described = struct.pack("@HP", len(program), ctypes.addressof(code))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0))


def _check(result: int) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
