# SPDX-License-Identifier: MIT
"""The same interface, served by the asyncvarlink package. No rules, no records, no limits.

usage: python -m bench.peers.varlink_service ADDRESS DIRECTORY
"""

import asyncio
import os
import socket
import sys
from typing import TypedDict

from asyncvarlink import (
    FileDescriptor,
    VarlinkInterface,
    VarlinkInterfaceRegistry,
    create_unix_server,
    get_listen_fd,
    varlinkmethod,
)


class Descriptor(TypedDict):
    """A named descriptor."""

    name: str
    fileDescriptor: FileDescriptor


class Granted(TypedDict):
    """The reply of Get."""

    grant: str
    resource: str
    kind: str
    descriptors: list[Descriptor]
    properties: dict[str, str]
    revocable: bool


def _granted(resource: str, kind: str, **descriptors: FileDescriptor) -> Granted:
    return {
        "grant": "",
        "resource": resource,
        "kind": kind,
        "descriptors": [{"name": name, "fileDescriptor": one} for name, one in descriptors.items()],
        "properties": {},
        "revocable": False,
    }


def _pty() -> Granted:
    master, slave = os.openpty()
    granted = _granted(
        "pty",
        "pty",
        master=FileDescriptor(master, should_close=True),
        slave=FileDescriptor(slave, should_close=True),
    )
    granted["properties"]["path"] = os.ttyname(slave)
    return granted


class Broker(VarlinkInterface, name="io.fdbroker.Broker"):
    """What is compared of ours."""

    def __init__(self, directory: str) -> None:
        self._data = os.path.join(directory, "data")
        self._stored = os.open(os.path.join(directory, "stored"), os.O_RDWR | os.O_CREAT, 0o600)

    @varlinkmethod
    def Get(self, *, resource: str) -> Granted:
        """Open something, or hand out what is held."""
        if resource == "pty":
            return _pty()
        if resource == "file":
            opened = os.open(self._data, os.O_RDONLY | os.O_NOCTTY)
            return _granted(resource, "file", file=FileDescriptor(opened, should_close=True))
        return _granted(resource, "store", fd=FileDescriptor(self._stored))


async def _serve(address: str, directory: str) -> None:
    registry = VarlinkInterfaceRegistry()
    registry.register_interface(Broker(directory))
    passed = get_listen_fd("varlink")
    if passed is None:
        server = await create_unix_server(registry.protocol_factory, "\0" + address[1:])
    else:
        number = passed.take()
        assert isinstance(number, int)
        listener = socket.socket(fileno=number)
        server = await create_unix_server(registry.protocol_factory, sock=listener)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
