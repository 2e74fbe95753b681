# SPDX-License-Identifier: MIT
"""What memory connections and items take."""

import os
import resource
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from bench.burst import Mode, Place
from bench.measured import Measured
from bench.peers.peer import Peer
from bench.peers.varlink import STORED
from fdbrokerd import Client

CONNECTIONS = "resident KiB, {count} connections, {peer}"
ITEMS = "resident KiB, {count} items, {peer}"
EACH = "resident KiB for each of {count} connections, {peer}"

REQUESTS = 300


def raise_descriptor_limit() -> int:
    """Take as many descriptors as we may have, and return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connections(peer: Peer, counts: Sequence[int], measured: Measured) -> None:
    """Hold up to so many idle connections, and note what that does."""
    with ExitStack() as held:
        bare = _note(peer, CONNECTIONS, 0, measured)
        open_now = 0
        for count in counts:
            for _ in range(open_now, count):
                held.enter_context(idle(peer))
            open_now = count
            # What is answered now was accepted after all of them.
            each = (_note(peer, CONNECTIONS, count, measured) - bare) / count
            measured.add_figure(EACH.format(count=count, peer=peer.name), each)


def idle(peer: Peer) -> socket.socket:
    """Return a connection that says nothing; what is answered later was accepted after it."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.connect("\0" + peer.address[1:])
    except BaseException:
        one.close()
        raise
    return one


def items(peer: Peer, counts: Sequence[int], measured: Measured) -> None:
    """Put up to so many items, all of one descriptor, and note what that does."""
    number = os.memfd_create("bench")
    try:
        with Client(peer.address) as client:
            _note(peer, ITEMS, 0, measured)
            held = 0
            for count in counts:
                for index in range(held, count):
                    client.put(f"store/many/{index}", number)
                held = count
                _note(peer, ITEMS, count, measured)
    finally:
        os.close(number)


def _note(peer: Peer, memory: str, count: int, measured: Measured) -> int:
    """Note what is resident once it has answered some requests, and return it."""
    peer.ask(STORED, Mode.ONE, Place.FREE, REQUESTS, 0)
    resident = peer.child.resident_kib()
    measured.add_figure(memory.format(count=count, peer=peer.name), resident)
    return resident
