# SPDX-License-Identifier: MIT
"""A processor's count of what a process executes: the same whether the machine is noisy or not."""

import ctypes
import os
import struct
from collections.abc import Callable

_ATTRIBUTE_BYTES = 128
_PERF_TYPE_HARDWARE = 0
_INSTRUCTIONS = 1
_EXCLUDE_KERNEL = 1 << 5
_EXCLUDE_HYPERVISOR = 1 << 6
_FLAGS_AT = 40
_CLOEXEC = 8
"""PERF_FLAG_FD_CLOEXEC."""
_SYS_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}


def instructions() -> Callable[[], int] | None:
    """Return what reads this process's count, the kernel's left out; None where there is none."""
    return _counter(0, _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR)


def instructions_of(task: int) -> Callable[[], int] | None:
    """Return what reads a task's count from now on, with what the kernel does for it."""
    return _counter(task, _EXCLUDE_HYPERVISOR)


def _counter(task: int, excluded: int) -> Callable[[], int] | None:
    number = _SYS_PERF_EVENT_OPEN.get(os.uname().machine)
    if number is None:
        return None
    attribute = bytearray(_ATTRIBUTE_BYTES)
    struct.pack_into("IIQ", attribute, 0, _PERF_TYPE_HARDWARE, _ATTRIBUTE_BYTES, _INSTRUCTIONS)
    struct.pack_into("Q", attribute, _FLAGS_AT, excluded)
    buffer = (ctypes.c_char * _ATTRIBUTE_BYTES).from_buffer(attribute)
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.syscall(number, buffer, task, -1, -1, _CLOEXEC)
    if descriptor < 0:
        return None
    read = os.read

    def count() -> int:
        return int.from_bytes(read(descriptor, 8), "little")

    return count
