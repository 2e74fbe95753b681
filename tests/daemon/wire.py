# SPDX-License-Identifier: MIT
"""A client that sends whatever a test wants: bytes, descriptors, halves of messages."""

import array
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from .identity import User, acting_as
from .process import PATIENCE

SO_PASSRIGHTS = 83
MAX_DESCRIPTORS = 253
BROKER = "io.fdbroker.Broker."
MANAGER = "io.fdbroker.Manager."
SERVICE = "org.varlink.service."


class HungUp(Exception):
    """The stream has ended."""


@dataclass(slots=True)
class Reply:
    """One reply; its descriptors are the connection's to close. `raw` is without the NUL."""

    raw: bytes
    descriptors: list[int] = field(default_factory=list)
    truncated: bool = False

    @property
    def error(self) -> str:
        """Return the error's name without its interface, "" for none."""
        return str(json.loads(self.raw).get("error", "")).rpartition(".")[2]

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the reply, or of the error."""
        parameters: dict[str, Any] = json.loads(self.raw)["parameters"]
        return parameters

    def descriptor(self, name: str) -> int:
        """Return a descriptor by the name that it was announced by."""
        announced: list[dict[str, Any]] = self.parameters["descriptors"]
        (index,) = (one["fileDescriptor"] for one in announced if one["name"] == name)
        return self.descriptors[int(index)]


def call(method: str, **parameters: object) -> bytes:
    """Return the bytes of a call; a name without a dot is one of the interface Broker."""
    return message(method=method if "." in method else BROKER + method, parameters=parameters)


def message(**members: object) -> bytes:
    """Return any JSON object as a message."""
    return json.dumps(members).encode() + b"\0"


class Wire:
    """A connection, and everything that arrived on it."""

    def __init__(
        self,
        address: str,
        user: User | None = None,
        prepare: Callable[[socket.socket], None] = lambda _: None,
    ) -> None:
        """Connect as a user; `prepare` has the socket before that."""
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._begin(connecting, user or User())
        try:
            prepare(connecting)
            with acting_as(self.user):
                connecting.connect(f"\0{address[1:]}" if address[0] == "@" else address)
        except BaseException:
            connecting.close()
            raise

    def _begin(self, connection: socket.socket, user: User) -> None:
        self.user = user
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self._partial = b""
        self._replies: deque[Reply] = deque()
        self._pending: list[int] = []
        self._owned: list[int] = []

    @classmethod
    def pair(cls) -> tuple[Self, socket.socket]:
        """Return one end of a socket pair as a connection, and the other for a daemon."""
        ours, theirs = socket.socketpair()
        wire = cls.__new__(cls)
        wire._begin(ours, User())
        return wire, theirs

    def send(self, data: bytes, descriptors: Sequence[int] = (), flags: int = 0) -> int:
        """Send as the user who connected; return how many bytes went."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        with acting_as(self.user):
            return self.socket.sendmsg([data], rights if descriptors else [], flags)

    def receive(self) -> Reply:
        """Return the next reply, waiting for it. Raises HungUp."""
        while not self._replies:
            self._fill()
        return self._replies.popleft()

    def _fill(self) -> None:
        try:
            data, ancillary, flags, _ = self.socket.recvmsg(
                65536, socket.CMSG_SPACE(4 * MAX_DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError as error:
            raise HungUp from error
        if not data:
            assert not self._partial, "the broker hung up within a reply"
            raise HungUp
        for level, kind, body in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i", body[: len(body) - len(body) % 4])
                self._pending += numbers
                self._owned += numbers
        *ended, self._partial = (self._partial + data).split(b"\0")
        self._replies += [Reply(raw) for raw in ended]
        if ended and not self._partial:  # they belong to the message that ends the chunk
            self._replies[-1].descriptors, self._pending = self._pending, []
            self._replies[-1].truncated = bool(flags & socket.MSG_CTRUNC)

    def call(self, method: str, **parameters: object) -> Reply:
        """Call, and return the reply."""
        self.send(call(method, **parameters))
        return self.receive()

    def is_served(self) -> bool:
        """Tell whether the broker answers here, and takes us for who we are."""
        peer = self.call("WhoAmI").parameters["peer"]
        return bool(peer["uid"] == self.user.uid)

    def is_hung_up(self) -> bool:
        """Wait for the end of the stream; tell whether it came without another reply."""
        try:
            self.receive()
        except HungUp:
            return True
        return False

    def close_descriptors(self) -> None:
        """Close all descriptors that came through the connection."""
        while self._owned:
            os.close(self._owned.pop())

    def close(self) -> None:
        """Close the connection and the descriptors."""
        self.socket.close()
        self.close_descriptors()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
