# SPDX-License-Identifier: MIT
"""s6-fdholderd, which holds descriptors by name. Asked in its own format, skalibs' unixmessage."""

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.child import Child
from bench.ground import Ground
from bench.machine import package_version
from bench.peers.peer import Ask, Peer
from bench.peers.varlink import PUT_AND_TAKE, STORED

_RIGHTS = {
    "S6_FDHOLDER_STORE_REGEX": ".*",
    "S6_FDHOLDER_RETRIEVE_REGEX": ".*",
}

_NO_LIMIT = struct.pack(">QI", 2**62 + 10 + 2**40, 0)
"""TAI64N, as far away as matters."""


def _message(payload: bytes, descriptors: int = 0) -> str:
    return (struct.pack(">IH", len(payload), descriptors) + payload).hex()


def _name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode() + b"\0"


def _retrieve(name: str, *, delete: bool) -> str:
    return "x:1:1:" + _message(b"R" + bytes([delete]) + _name(name))


def _store(name: str) -> str:
    return "X:1:0:" + _message(b"S" + _NO_LIMIT + _name(name), 1)


_ASKS = {
    STORED: Ask((_retrieve("one", delete=False),)),
    PUT_AND_TAKE: Ask((_store("two"), _retrieve("two", delete=True))),
}


@contextmanager
def s6(ground: Ground, directory: Path) -> Iterator[Peer]:
    """Run it in a directory that is its own, with a descriptor stored."""
    rules = directory / "rules" / "uid" / str(os.getuid())
    (rules / "env").mkdir(parents=True)
    (directory / "rules" / "gid").mkdir()
    (rules / "allow").touch()
    for name, value in _RIGHTS.items():
        (rules / "env" / name).write_text(f"{value}\n")
    address = str(directory / "socket")
    command = ["s6-fdholder-daemon", "-1", "-c", "256", "-i", str(directory / "rules"), address]
    with Child(command, log=directory / "log", speaks=True) as child:
        child.hear()
        with (directory / "data").open("w+") as stored:
            subprocess.run(["s6-fdholder-store", address, "one"], stdin=stored, check=True)
        version = package_version("s6")
        client = ground.binaries.client
        yield Peer("s6-fdholderd", version, child, address, _ASKS, client, "s6")
