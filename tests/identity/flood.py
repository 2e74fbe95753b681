# SPDX-License-Identifier: MIT
"""Clients that never stop asking: each a process of a user, with many calls on their way."""

import array
import json
import os
import select
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import kernel
from .wire import BROKER, ROOM

WINDOW = 200
"""Calls of one client on their way: more than the broker takes in at once."""

RESOURCES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Told:
    """What was said to one call: the file that came, or the denial's hint and request."""

    number: int
    resource: str
    error: str
    text: str
    request: str
    """Of a denial."""


class _Client:
    """One connection, its calls and what was said to them."""

    def __init__(self, address: str, at_least: int, stop: int) -> None:
        self.told: list[Told] = []
        self._asked = 0
        self._at_least = at_least
        self._stop = stop
        self._stopped = False
        self._unsent = self._partial = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"\0{address[1:]}")
        self._socket.setblocking(False)

    def run(self) -> None:
        """Ask until told to stop and not less than a number of times; take all replies."""
        while not self._stopped or self._asked < self._at_least or len(self.told) < self._asked:
            may_send = self._unsent or len(self.told) + WINDOW > self._asked
            done = self._stopped and self._asked >= self._at_least and not self._unsent
            senders = [self._socket] if may_send and not done else []
            connection = self._socket.fileno()
            readers = [connection] if self._stopped else [connection, self._stop]
            readable, writable, _ = select.select(readers, senders, [])
            self._stopped = self._stopped or self._stop in readable
            if connection in readable:
                self._receive()
            if writable:
                self._send()

    def _send(self) -> None:
        if not self._unsent:
            parameters = {
                "resource": RESOURCES[self._asked % 2],
                "arguments": {"number": str(self._asked)},
            }
            call = {"method": f"{BROKER}Get", "parameters": parameters}
            self._unsent = json.dumps(call).encode() + b"\0"
            self._asked += 1
        self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def _receive(self) -> None:
        data, ancillary, _, _ = self._socket.recvmsg(65536, ROOM)
        if not data:
            raise ConnectionError("hung up")
        numbers = array.array("i", b"".join(packed for _, _, packed in ancillary))
        *replies, self._partial = (self._partial + data).split(b"\0")
        for index, reply in enumerate(replies):
            self._take(json.loads(reply), numbers if index + 1 == len(replies) else ())

    def _take(
        self, reply: dict[str, dict[str, str]], numbers: "array.array[int] | tuple[()]"
    ) -> None:
        number, parameters = len(self.told), reply["parameters"]
        error = str(reply.get("error", "")).rpartition(".")[2]
        text = parameters.get("hint", "")
        for descriptor in numbers:
            text += os.pread(descriptor, 100, 0).decode()
            os.close(descriptor)
        told = Told(number, parameters["resource"], error, text, parameters.get("request", ""))
        self.told.append(told)


class Flood:
    """Clients, each of a user of its own."""

    def __init__(self, directory: Path, address: str, uids: range, at_least: int) -> None:
        """Start them; `at_least` is how often each will ask."""
        self._stopped, self._stop = os.pipe()
        self._files = {uid: directory / f"told-{uid}" for uid in uids}
        self._pids = []
        for uid in uids:
            file = os.open(self._files[uid], os.O_WRONLY | os.O_CREAT, 0o600)
            if (pid := os.fork()) == 0:
                self._be(uid, address, at_least, file)
            os.close(file)
            self._pids.append(pid)

    def _be(self, uid: int, address: str, at_least: int, file: int) -> None:
        status = 1
        try:
            os.close(self._stop)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            kernel.end_with_parent()
            client = _Client(address, at_least, self._stopped)
            client.run()
            with os.fdopen(file, "w") as stream:
                for one in client.told:
                    values = [one.number, one.resource, one.error, one.text, one.request]
                    stream.write(json.dumps(values) + "\n")
            status = 0
        except BaseException:  # noqa: BLE001 (nothing may come back into pytest from here)
            traceback.print_exc()
        finally:
            os._exit(status)

    def told(self) -> dict[int, list[Told]]:
        """Stop them; return what each was told."""
        self.stop()
        return {
            uid: [Told(*json.loads(line)) for line in file.read_text().splitlines()]
            for uid, file in self._files.items()
        }

    def stop(self) -> None:
        """Let them come to an end, which must be a good one; again, that does nothing."""
        if not self._pids:
            return
        os.close(self._stop)
        os.close(self._stopped)
        pids, self._pids = self._pids, []
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


@contextmanager
def flood(directory: Path, address: str, uids: range, at_least: int) -> Iterator[Flood]:
    """Have clients ask while the block runs."""
    clients = Flood(directory, address, uids, at_least)
    try:
        yield clients
    finally:
        clients.stop()
