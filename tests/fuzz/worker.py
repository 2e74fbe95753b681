# SPDX-License-Identifier: MIT
"""Runs a harness in a process of its own, with bounds on time and memory.

The input is written to shared memory before it is tried: what ends or hangs the process is known
all the same, be it a fault of C code or an endless loop.
"""

import gc
import mmap
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from fdbrokerd.fd import OwnedFd

from .roster import Target

INPUT_SECONDS = 5.0
"""For one input of a few KiB: a thousand times what the slowest one needs."""

MEMORY_BYTES = 256 * 1024 * 1024
"""More than the process has when it begins. A rule file may have 256 KiB."""

_COUNT_BYTES = 8
_ROOM = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many inputs were tried, and the one that broke a promise, if one did."""

    tried: int
    data: bytes | None = None
    said: str = ""


def run(target: Target, inputs: Iterable[bytes], seconds: float, most: int) -> Outcome:
    """Try inputs for some time, `most` at the most; stop at the first that breaks a promise."""
    with mmap.mmap(-1, 2 * _COUNT_BYTES + _ROOM) as shared:
        read, write = os.pipe2(os.O_CLOEXEC)
        with OwnedFd(read) as said:
            with OwnedFd(write) as says:
                pid = os.fork()
                if pid == 0:
                    _work(target, inputs, seconds, most, shared, says.fileno())
            ended = _watch(pid, shared)
            text = os.read(said.fileno(), 65536).decode()
        tried, size = _numbers(shared)
        if ended == 0:
            return Outcome(tried)
        data = shared[2 * _COUNT_BYTES : 2 * _COUNT_BYTES + size]
        return Outcome(tried, data, text or f"the process ended with {ended}")


def _numbers(shared: mmap.mmap) -> tuple[int, int]:
    read = [shared[at : at + _COUNT_BYTES] for at in (0, _COUNT_BYTES)]
    return int.from_bytes(read[0], "little"), int.from_bytes(read[1], "little")


def _watch(pid: int, shared: mmap.mmap) -> int:
    """Wait for the end of the process, or kill it where one input takes too long."""
    with OwnedFd(os.pidfd_open(pid)) as end:
        before = -1
        while not select.select([end.fileno()], [], [], INPUT_SECONDS)[0]:
            tried, _ = _numbers(shared)
            if tried == before:
                os.kill(pid, signal.SIGKILL)
            before = tried
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _work(
    target: Target,
    inputs: Iterable[bytes],
    seconds: float,
    most: int,
    shared: mmap.mmap,
    says: int,
) -> None:
    status = 1
    try:
        gc.freeze()
        room = _address_space() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        end = time.monotonic() + seconds
        for tried, data in enumerate(inputs):
            if tried == most or time.monotonic() > end:
                break
            shared[:_COUNT_BYTES] = (tried + 1).to_bytes(_COUNT_BYTES, "little")
            shared[_COUNT_BYTES : 2 * _COUNT_BYTES] = len(data).to_bytes(_COUNT_BYTES, "little")
            shared[2 * _COUNT_BYTES : 2 * _COUNT_BYTES + len(data)] = data
            target.check(data)
        status = 0
    except BaseException:  # noqa: BLE001 (nothing may come back into the caller from here)
        with suppress(OSError):
            os.write(says, traceback.format_exc().encode("utf-8", "backslashreplace")[-60000:])
    finally:
        os._exit(status)


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
