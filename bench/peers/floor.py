# SPDX-License-Identifier: MIT
"""The floor: a C server that makes the system calls and decides nothing."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.child import Child
from bench.ground import Ground
from bench.peers.peer import Peer
from bench.peers.varlink import ONE_AT_A_TIME, SIMPLE


@contextmanager
def floor(ground: Ground, directory: Path) -> Iterator[Peer]:
    """Run it in a directory that is its own."""
    (directory / "data").write_text("data\n")
    address = f"@fdbroker-bench-{secrets.token_hex(8)}"
    command = [str(ground.binaries.floor), address, str(directory)]
    with Child(command, log=directory / "log", speaks=True) as child:
        child.hear()
        asks = {**SIMPLE, **ONE_AT_A_TIME}
        yield Peer("floor", "bench/c/floor.c", child, address, asks, ground.binaries.client)
