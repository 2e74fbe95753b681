# SPDX-License-Identifier: MIT
"""One process wakes another: both get the same eventfd by its name; neither inherits it.

    .venv/bin/fdbrokerd --run -- .venv/bin/python3 examples/wake.py

An eventfd is a counter in the kernel: writing adds to it, reading empties it, and it is readable
while it is not 0 (eventfd(2)). The first who asks for `eventfd/wake` has it made, and everybody who
asks for that name gets the same one, until it is removed. examples/wake.c does it in C.
"""

import os
import select
import subprocess
import sys

from fdbrokerd import Client

NAME = "eventfd/wake"
PATIENCE_SECONDS = 10


def sleep() -> None:
    """Wait until another process wakes this one."""
    with Client() as broker, broker.get(NAME) as eventfd:
        print(f"process {os.getpid()} waits for {NAME}", flush=True)
        # It knows the name and nothing else: subprocess leaves it none of our descriptors.
        with subprocess.Popen([sys.executable, __file__, "wake"]):
            # What the broker grants has a fileno(), so select and its like take it as it is.
            readable, _, _ = select.select([eventfd], [], [], PATIENCE_SECONDS)
        if not readable:
            sys.exit(f"nobody wrote to {NAME}")
        count = os.eventfd_read(eventfd.fileno())
        print(f"process {os.getpid()} was woken; the counter was {count}")
        broker.remove(NAME)  # the broker keeps it otherwise, for whoever comes next


def wake() -> None:
    """Wake whoever waits. Nothing is lost if nobody does yet: the counter stays."""
    with Client() as broker, broker.get(NAME) as eventfd:
        print(f"process {os.getpid()} writes to {NAME}", flush=True)
        os.eventfd_write(eventfd.fileno(), 1)


if __name__ == "__main__":
    if sys.argv[1:] == ["wake"]:
        wake()
    else:
        sleep()
