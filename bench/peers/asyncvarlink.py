# SPDX-License-Identifier: MIT
"""asyncvarlink, a Varlink library for Python's asyncio, with the service beside this file."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.child import Child
from bench.ground import Ground
from bench.machine import distribution_version
from bench.peers.peer import Peer
from bench.peers.varlink import FILE, PTY, SIMPLE, STORED

SERVICE = ("-m", "bench.peers.varlink_service")


@contextmanager
def asyncvarlink(ground: Ground, directory: Path) -> Iterator[Peer]:
    """Run it in a directory that is its own."""
    (directory / "data").write_text("data\n")
    address = f"@fdbroker-bench-{secrets.token_hex(8)}"
    command = ground.python(*SERVICE, address, str(directory))
    log = directory / "log"
    with Child(command, log=log, variables=ground.variables, speaks=True) as child:
        child.hear()
        asks = {work: SIMPLE[work] for work in (STORED, FILE, PTY)}
        version = distribution_version("asyncvarlink")
        yield Peer("asyncvarlink", version, child, address, asks, ground.binaries.client)
