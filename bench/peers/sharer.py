# SPDX-License-Identifier: MIT
"""multiprocessing.resource_sharer: a descriptor from one Python process to another.

Its protocol is pickles and HMAC, and its only client is Python: this one peer is asked by a client
that costs more than the others'. The server's own processor time says what is the server's.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.burst import Mode, Place
from bench.child import Child
from bench.ground import Ground
from bench.peers.peer import CLIENT_SECONDS, Ask, Peer, processors
from bench.peers.varlink import STORED

_PROGRAM = ("-m", "bench.peers.sharer_program")


@dataclass(slots=True, kw_only=True)
class Sharer(Peer):
    """A server in Python, with its client in Python."""

    ground: Ground

    def ask(self, work: str, mode: Mode, place: Place, count: int, warm: int) -> str:
        """Have tickets made, and run the client with them."""
        assert work in self.asks
        assert mode is Mode.EACH, "a ticket is a connection"
        self.child.say(str(count + warm))
        tickets = self.child.hear()
        return subprocess.run(
            [
                "taskset",
                "-c",
                ",".join(map(str, processors(place))),
                *self.ground.python(*_PROGRAM, "get"),
            ],
            check=True,
            input=f"{tickets}\n{warm}\n",
            stdout=subprocess.PIPE,
            text=True,
            timeout=CLIENT_SECONDS,
            env={**os.environ, **self.ground.variables},
        ).stdout


@contextmanager
def sharer(ground: Ground, directory: Path) -> Iterator[Peer]:
    """Run it."""
    command = ground.python(*_PROGRAM, "serve")
    variables = {**ground.variables, "TMPDIR": str(directory)}
    with Child(
        command, log=directory / "log", variables=variables, speaks=True, hears=True
    ) as child:
        child.hear()
        asks = {STORED: Ask(())}
        client = ground.binaries.client
        yield Sharer("resource_sharer", "Python's own", child, "", asks, client, ground=ground)
