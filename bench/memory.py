# SPDX-License-Identifier: MIT
"""What connections and items cost to hold, and whether the others wait longer for them."""

import os
import resource
import socket
from collections.abc import Sequence

from bench.burst import Mode, Place
from bench.measured import Measured
from bench.peers.peer import Peer
from bench.peers.varlink import STORED
from fdbrokerd import Client

CONNECTIONS = "resident KiB, {count} connections, {peer}"
ITEMS = "resident KiB, {count} items, {peer}"
EACH = "resident KiB for each of {count} connections, {peer}"
TIME_CONNECTIONS = "stored, one connection beside {count} idle, pinned, {peer}"
TIME_ITEMS = "stored, one connection with {count} items held, pinned, {peer}"

REQUESTS = 300


def raise_descriptor_limit() -> int:
    """Take as many descriptors as we may have, and return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connections(peer: Peer, counts: Sequence[int], measured: Measured) -> None:
    """Hold up to so many idle connections, and note what that does."""
    held: list[socket.socket] = []
    address = "\0" + peer.address[1:]
    try:
        _note(peer, CONNECTIONS, TIME_CONNECTIONS, 0, measured)
        bare = peer.child.resident_kib()
        for count in counts:
            while len(held) < count:
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                held.append(one)
                one.connect(address)
            # What is answered now was accepted after all of them.
            _note(peer, CONNECTIONS, TIME_CONNECTIONS, count, measured)
            each = (peer.child.resident_kib() - bare) / count
            measured.add_figure(EACH.format(count=count, peer=peer.name), each)
    finally:
        for one in held:
            one.close()


def items(peer: Peer, counts: Sequence[int], measured: Measured) -> None:
    """Put up to so many items, all of one descriptor, and note what that does."""
    number = os.memfd_create("bench")
    try:
        with Client(peer.address) as client:
            _note(peer, ITEMS, TIME_ITEMS, 0, measured)
            held = 0
            for count in counts:
                for index in range(held, count):
                    client.put(f"store/many/{index}", number)
                held = count
                _note(peer, ITEMS, TIME_ITEMS, count, measured)
    finally:
        os.close(number)


def _note(peer: Peer, memory: str, time: str, count: int, measured: Measured) -> None:
    burst = peer.burst(STORED, Mode.ONE, Place.PINNED, REQUESTS, REQUESTS // 10)
    resident = peer.child.resident_kib()
    measured.add_figure(memory.format(count=count, peer=peer.name), resident)
    measured.add_figure(time.format(count=count, peer=peer.name), burst.median)
