# SPDX-License-Identifier: MIT
"""Both ends of the standard library's resource sharer.

usage: python -m bench.peers.sharer_program serve|get

`serve` reads a number from each line of its standard input and writes, in hexadecimal, so many
tickets for a descriptor. `get` reads such a line and a number of them that are not measured, and
writes what bench/c/client.c writes. A ticket is good for one descriptor and one connection.
"""

import json
import os
import pickle
import sys
import time
from multiprocessing import current_process
from multiprocessing.resource_sharer import DupFd

_KEY = b"not a secret: both ends are ours"


def _serve() -> None:
    number = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    print("ready", flush=True)
    for line in sys.stdin:
        tickets = [DupFd(number) for _ in range(int(line))]
        print(pickle.dumps(tickets).hex(), flush=True)


def _get() -> None:
    # From our own server, over a pipe.
    tickets = pickle.loads(bytes.fromhex(sys.stdin.readline()))  # noqa: S301
    warm = int(sys.stdin.readline())
    times = []
    begun = 0
    for index, ticket in enumerate(tickets):
        before = time.monotonic_ns()
        if index == warm:
            begun = before
        os.close(ticket.detach())
        if index >= warm:
            times.append(time.monotonic_ns() - before)
    elapsed = time.monotonic_ns() - begun
    times.sort()
    last = len(times) - 1
    found = {
        "count": len(times),
        "elapsed": elapsed,
        "least": times[0],
        "median": times[last // 2],
        "p99": times[last * 99 // 100],
        "most": times[last],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    current_process().authkey = _KEY
    if sys.argv[1] == "serve":
        _serve()
    else:
        _get()
