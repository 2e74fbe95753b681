# SPDX-License-Identifier: MIT
"""seatd, which opens input devices. It looks at paths only, so nodes of /dev/null do for it.

It runs in a mount namespace of its own, since its socket and devices have fixed names. A request is
a device opened and closed again, since it gives out 128 at the most: two round trips.
"""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.child import PATIENCE, Child
from bench.ground import Ground
from bench.machine import package_version
from bench.peers.peer import Ask, Peer
from bench.peers.varlink import FILE

_SCRIPT = """
set -e
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /dev
mkdir /dev/input
mknod -m 0666 /dev/null c 1 3
mknod -m 0600 /dev/input/event0 c 1 3
exec seatd -l error
"""

_DEVICE = b"/dev/input/event0\0"
_OPEN_SEAT, _OPEN_DEVICE, _CLOSE_DEVICE = 1, 3, 4


def _message(code: int, body: bytes = b"") -> str:
    return (struct.pack("=HH", code, len(body)) + body).hex()


_SETUP = "x:2:0:" + _message(_OPEN_SEAT)
"""It answers that the seat is open, and then that it is enabled."""

_ASKS = {
    FILE: Ask(
        (
            "x:1:1:" + _message(_OPEN_DEVICE, struct.pack("=H", len(_DEVICE)) + _DEVICE),
            "x:1:0:" + _message(_CLOSE_DEVICE, struct.pack("=i", 1)),
        )
    )
}


@contextmanager
def seatd(ground: Ground, directory: Path) -> Iterator[Peer]:
    """Run it; needs root."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT]
    with Child(command, log=directory / "log", variables={"SEATD_VTBOUND": "0"}) as child:
        # The namespace's own /run, seen through its process: nothing is put into ours.
        address = f"/proc/{child.pid}/root/run/seatd.sock"
        _await(address, child)
        version = package_version("seatd")
        client = ground.binaries.client
        yield Peer("seatd", version, child, address, _ASKS, client, "seatd", _SETUP)


def _await(path: str, child: Child) -> None:
    end = time.monotonic() + PATIENCE
    while os.readlink(f"/proc/{child.pid}/exe") != "/usr/sbin/seatd" or not Path(path).exists():
        if child.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"seatd does not start: {child.said()}")
        time.sleep(0.01)
