# SPDX-License-Identifier: MIT
"""Varlink by hand, so that a test sees what is on the wire and says who writes it."""

import array
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

BROKER = "io.fdbroker.Broker."
PATIENCE = 20.0
"""Seconds; waited for in full only where a test fails."""

ROOM = socket.CMSG_SPACE(4 * 253)


class HungUp(Exception):
    """The stream has ended."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `error` without its interface, "" for none; `got` descriptors, closed again."""

    error: str
    parameters: dict[str, Any]
    got: int


@contextmanager
def writing_as(uid: int) -> Iterator[None]:
    """Have the kernel tell of another user's process who writes: the broker compares."""
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


class Wire:
    """A connected socket, owned here, and the user whose process connected it."""

    def __init__(self, connected: socket.socket, uid: int = 0) -> None:
        self._socket = connected
        self._uid = uid
        self._socket.settimeout(PATIENCE)

    def send(self, method: str, **parameters: object) -> None:
        """Send a call; a name without a dot is one of the interface Broker."""
        name = method if "." in method else BROKER + method
        data = json.dumps({"method": name, "parameters": parameters}).encode() + b"\0"
        with writing_as(self._uid):
            self._socket.sendall(data)

    def receive(self) -> Reply:
        """Return the next reply, of one call at a time. Raises HungUp."""
        data, got = b"", 0
        while not data.endswith(b"\0"):
            try:
                chunk, ancillary, _, _ = self._socket.recvmsg(65536, ROOM)
            except ConnectionResetError as error:
                raise HungUp from error
            if not chunk:
                raise HungUp
            data += chunk
            for _, _, packed in ancillary:
                for number in array.array("i", packed):
                    os.close(number)
                    got += 1
        reply = json.loads(data[:-1])
        name = str(reply.get("error", "")).rpartition(".")[2]
        return Reply(name, reply["parameters"], got)

    def call(self, method: str, **parameters: object) -> Reply:
        """Call, and return the reply."""
        self.send(method, **parameters)
        return self.receive()

    def gets(self, resource: str = "note") -> bool:
        """Ask for a resource; tell whether it is given, and not denied."""
        self.send("Get", resource=resource)
        return self.given()

    def given(self) -> bool:
        """Take the reply to a Get; tell whether it gives, and does not deny."""
        reply = self.receive()
        assert (reply.error, reply.got) in {("", 1), ("Denied", 0)}, reply
        return not reply.error

    def who(self) -> dict[str, Any]:
        """Return whom the broker takes the peer for."""
        peer: dict[str, Any] = self.call("WhoAmI").parameters["peer"]
        return peer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@contextmanager
def connect(address: str) -> Iterator[Wire]:
    """Connect as this process, which is root's."""
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.settimeout(PATIENCE)
        connecting.connect(f"\0{address[1:]}")
        yield Wire(connecting)
