# SPDX-License-Identifier: MIT
"""The daemon with a time of day that a test sets: the machine's own is not the test's to set.

Everything in Python that asks for CLOCK_REALTIME gets it with an offset, read from a file each
time. The loops' own timers are C and go by CLOCK_MONOTONIC; nobody can set that.
"""

import os
import struct
import time
from pathlib import Path

from .broker import ROOT

OFFSET = struct.Struct("q")

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.daemon.stepped import step
step()
from fdbrokerd.cli.daemon import main
sys.exit(main())
"""
"""Before anything of the daemon is imported: that takes the functions by their names."""

VARIABLE = "FDBROKER_TEST_STEP"


def write(path: Path, seconds: int) -> None:
    """Set the clock that far from the machine's."""
    path.write_bytes(OFFSET.pack(seconds * 1_000_000_000))


def step() -> None:
    """Have this process's time of day be what the file says."""
    number = os.open(os.environ.pop(VARIABLE), os.O_RDONLY | os.O_CLOEXEC)
    gettime_ns = time.clock_gettime_ns

    def offset_ns(clock: int) -> int:
        if clock != time.CLOCK_REALTIME:
            return 0
        (offset,) = OFFSET.unpack(os.pread(number, OFFSET.size, 0))
        return int(offset)

    def stepped_ns(clock: int) -> int:
        return gettime_ns(clock) + offset_ns(clock)

    def stepped(clock: int) -> float:
        return stepped_ns(clock) / 1e9

    time.clock_gettime_ns = stepped_ns
    time.clock_gettime = stepped
    time.time_ns = lambda: stepped_ns(time.CLOCK_REALTIME)
    time.time = lambda: stepped(time.CLOCK_REALTIME)
