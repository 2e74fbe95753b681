# SPDX-License-Identifier: MIT
"""A broker that says what a test wants it to say."""

import array
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from fdbrokerd.channel import parse_address
from fdbrokerd.listening import SO_PASSRIGHTS

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


@contextmanager
def serving(
    address: str, *scripts: Callable[[Scripted, socket.socket], object]
) -> Iterator[Scripted]:
    """Listen at an address; run a script for each connection, in their order, at once.

    Whoever connects once more than there are scripts finds nobody.
    """
    broker = Scripted(address)
    faults: list[BaseException] = []
    threads: list[threading.Thread] = []

    def run(script: Callable[[Scripted, socket.socket], object], connection: socket.socket) -> None:
        try:
            with connection:
                script(broker, connection)
        except BaseException as error:  # noqa: BLE001 (raised again where the test sees it)
            faults.append(error)

    def accept() -> None:
        with listener:
            for script in scripts:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the test is over
                threads.append(threading.Thread(target=run, args=(script, connection)))
                threads[-1].start()

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(parse_address(address))
    listener.listen()
    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield broker
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
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


class Deposited:
    """What a Put sent: the bytes, and the descriptors' inodes and offsets, closed since."""

    def __init__(self, data: bytes, numbers: Sequence[int]) -> None:
        self.data = data
        self.stats = [os.fstat(number) for number in numbers]
        for number in numbers:
            os.close(number)


def take_put(
    broker: Scripted, connection: socket.socket, transaction: str = "t1", *, refuse: bool = False
) -> Callable[[], Deposited | None]:
    """Take a Put and hand out a deposit socket; return what receives from it.

    That returns None at its end. With `refuse` the socket takes no descriptors.
    """
    take_call(broker, connection)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if refuse:
        ours.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
    send(connection, reply({"transaction": transaction, "fileDescriptor": 0}), [theirs.fileno()])
    theirs.close()

    def receive() -> Deposited | None:
        with ours:
            data, ancillary, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(4 * 253))
        numbers = array.array("i")
        for _, _, body in ancillary:
            numbers.frombytes(body)
        return Deposited(data, numbers) if data else None

    return receive


def taken(*indexes: object, transaction: str = "t1", grant: str = "") -> bytes:
    """Return the bytes of a Take's reply, as `granted` those of a Get's."""
    said = json.loads(granted(*indexes, grant=grant)[:-1])["parameters"]
    return reply({"transaction": transaction, **said})


def happened(event: str, resource: str = "slots/a", *, continues: bool = True) -> bytes:
    """Return the bytes of a Watch's reply."""
    said = {"parameters": {"event": event, "resource": resource}, "continues": continues}
    return json.dumps(said).encode() + b"\0"
