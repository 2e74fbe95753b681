# SPDX-License-Identifier: MIT
"""A broker that says what a test wants it to say."""

import array
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_NULL = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
"""What is sent. Open before any test, so that a test which runs out of numbers can send it."""


class Scripted:
    """The address of a scripted broker, and the calls that it was sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.calls: list[dict[str, object]] = []


@contextmanager
def scripted(script: Callable[[Scripted, socket.socket], None]) -> Iterator[Scripted]:
    """Run a script in a thread at one end of a socket pair; the other end is the address."""
    ours, theirs = socket.socketpair()
    broker = Scripted(f"fd:{theirs.fileno()}")
    faults: list[BaseException] = []

    def run() -> None:
        try:
            script(broker, ours)
        except BaseException as error:  # noqa: BLE001 (raised again where the test sees it)
            faults.append(error)
        finally:
            ours.close()

    thread = threading.Thread(target=run)
    with theirs:
        thread.start()
        try:
            yield broker
        finally:
            theirs.shutdown(socket.SHUT_RDWR)
            thread.join()
    if faults:
        raise faults[0]


def take_call(broker: Scripted, connection: socket.socket) -> bool:
    """Receive one call; False at the end."""
    data = b""
    while not data.endswith(b"\0"):
        chunk = connection.recv(4096)
        if not chunk:
            return False
        data += chunk
    broker.calls.append(json.loads(data[:-1]))
    return True


def send(connection: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send bytes in one sendmsg, with descriptors."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    connection.sendmsg([data], rights if descriptors else [])


def says(*chunks: bytes | tuple[bytes, int]) -> Callable[[Scripted, socket.socket], None]:
    """Return a script: take a call, send each chunk with so many descriptors, then agree to all."""

    def script(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        for chunk in chunks:
            data, count = chunk if isinstance(chunk, tuple) else (chunk, 0)
            try:
                send(connection, data, [_NULL] * count)
            except BrokenPipeError:
                return  # the client has seen enough
        while take_call(broker, connection):
            send(connection, reply({}))

    return script


def reply(parameters: object) -> bytes:
    """Return the bytes of a reply."""
    return json.dumps({"parameters": parameters}).encode() + b"\0"


def error(name: str, **parameters: object) -> bytes:
    """Return the bytes of an error reply."""
    return json.dumps({"error": name, "parameters": parameters}).encode() + b"\0"


def granted(*indexes: object, grant: str = "", names: Sequence[str] = ()) -> bytes:
    """Return the bytes of a Get's reply that announces descriptors a, b, c and so on."""
    names = names or "abcdefgh"
    descriptors = [
        {"name": name, "fileDescriptor": index} for name, index in zip(names, indexes, strict=False)
    ]
    return reply(
        {
            "grant": grant,
            "resource": "thing",
            "kind": "file",
            "descriptors": descriptors,
            "properties": {"path": "/thing"},
            "revocable": False,
        }
    )
