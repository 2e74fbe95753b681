# SPDX-License-Identifier: MIT
"""A processor's count of what a process executes: the same whether the machine is noisy or not."""

import ctypes
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

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
    counter = _counter(0, _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR)
    return None if counter < 0 else partial(_count, counter)


@contextmanager
def counted(tasks: Iterable[int]) -> Iterator[Callable[[], int]]:
    """Count what these tasks execute, with what the kernel does for them; 0 where nobody can.

    Not while something is timed: to switch a counter with its task takes longer than the system
    calls that are to be measured.
    """
    counters = [_counter(task, _EXCLUDE_HYPERVISOR) for task in tasks]
    known = [one for one in counters if one >= 0]
    try:
        yield lambda: sum(map(_count, known)) if known == counters else 0
    finally:
        for one in known:
            os.close(one)


def _count(counter: int) -> int:
    return int.from_bytes(os.read(counter, 8), "little")


def _counter(task: int, excluded: int) -> int:
    """Return the descriptor of a new counter, or -1."""
    number = _SYS_PERF_EVENT_OPEN.get(os.uname().machine)
    if number is None:
        return -1
    attribute = bytearray(_ATTRIBUTE_BYTES)
    struct.pack_into("IIQ", attribute, 0, _PERF_TYPE_HARDWARE, _ATTRIBUTE_BYTES, _INSTRUCTIONS)
    struct.pack_into("Q", attribute, _FLAGS_AT, excluded)
    buffer = (ctypes.c_char * _ATTRIBUTE_BYTES).from_buffer(attribute)
    library = ctypes.CDLL(None, use_errno=True)
    return int(library.syscall(number, buffer, task, -1, -1, _CLOEXEC))
