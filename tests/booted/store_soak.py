# SPDX-License-Identifier: MIT
"""Processes of several users share memory and eventfds by name, and count together.

Usage, in a machine: store_soak COUNT. Each of the processes asks for what it needs by name; who
is first makes it. First they count COUNT each, one at a time: a lock is an eventfd that begins with
one and is a semaphore. Then a turn goes round and round, each waking the next one, COUNT times.
Says how it went as a line of JSON; in the middle it says so and waits for a line.
"""

import json
import mmap
import os
import struct
import sys
import time
from contextlib import ExitStack

import fdbrokerd

PROCESSES = 10
USERS = (0, 1234, 4321)

_WORD = struct.Struct("Q")
_ONE = (1).to_bytes(8, sys.byteorder)


class Shared:
    """What a process has got by name; all have the same."""

    def __init__(self) -> None:
        with fdbrokerd.Client() as broker:
            self.lock = broker.get("locks/soak").detach()
            self.bells = [broker.get(f"bells/soak/{n}").detach() for n in range(PROCESSES)]
            with broker.get("shared/soak") as memory:
                self.memory = mmap.mmap(memory.fileno(), 0)

    def add(self, place: int) -> None:
        """Count one more. Read and write are apart, so two at once would lose one."""
        (value,) = _WORD.unpack_from(self.memory, place * _WORD.size)
        _WORD.pack_into(self.memory, place * _WORD.size, value + 1)

    def values(self) -> list[int]:
        """Return all the counts: the common one, of the turns, of each process's turns."""
        return [value for (value,) in _WORD.iter_unpack(self.memory[: 8 * (2 + PROCESSES)])]


def _count(shared: Shared, count: int) -> None:
    for _ in range(count):
        os.read(shared.lock, 8)
        shared.add(0)
        os.write(shared.lock, _ONE)


def _take_turns(shared: Shared, number: int, count: int) -> None:
    for _ in range(count):
        os.read(shared.bells[number], 8)
        shared.add(1)
        shared.add(2 + number)
        os.write(shared.bells[(number + 1) % PROCESSES], _ONE)


def _work(number: int, count: int, has_all: int, go_on: int) -> None:
    user = USERS[number % len(USERS)]
    os.setresuid(user, user, user)
    shared = Shared()
    os.write(has_all, bytes(1))
    _count(shared, count)
    os.read(go_on, 1)
    # Got again: the daemon may be another one by now.
    _take_turns(Shared(), number, count)


def _start(number: int, count: int, has_all: int, go_on: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _work(number, count, has_all, go_on)
        status = 0
    finally:
        os._exit(status)


def main(count: int) -> None:
    """Count, and say the sums."""
    started = time.monotonic()
    with ExitStack() as stack:
        go_on, going = os.pipe()
        stack.callback(os.close, go_on)
        heard, has_all = os.pipe()
        stack.callback(os.close, heard)
        stack.callback(os.close, has_all)
        pids = [_start(number, count, has_all, go_on) for number in range(PROCESSES)]
        shared = Shared()
        for _ in pids:
            os.read(heard, 1)
        print(json.dumps(shared.values()[0]), flush=True)
        sys.stdin.readline()
        os.write(going, bytes(PROCESSES))
        os.close(going)
        os.write(shared.bells[0], _ONE)
        failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
        seconds = round(time.monotonic() - started, 2)
        print(json.dumps({"failed": failed, "values": shared.values(), "seconds": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
