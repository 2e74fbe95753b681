# SPDX-License-Identifier: MIT
"""The socket that a Put hands out for its descriptors, and what Commit takes."""

from __future__ import annotations

import os
import socket
import struct
from errno import ECONNREFUSED, ECONNRESET, EINVAL, ENOTCONN, EPERM, EPIPE, ETOOMANYREFS

from fdbrokerd.errors import Error, ProtocolError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.offer import Offer

_REASONS = {
    EPERM: "the socket that the broker gave for them takes none, or a security module forbids it",
    ETOOMANYREFS: "too many of this user's are under way in sockets (ulimit -n), or a socket holds "
    "sockets that hold sockets",
    EINVAL: "one of them is of a kind that cannot be sent, such as io_uring's",
}
"""What sendmsg(2) means where descriptors are attached."""

_GONE = frozenset({EPIPE, ECONNRESET, ECONNREFUSED, ENOTCONN})


class NotSent(Error):
    """The descriptors could not be sent; nothing was put."""


class Deposit:
    """Where to send the descriptors of a Put; owns the socket."""

    __slots__ = ("_socket", "transaction")

    def __init__(self, reply: Reply) -> None:
        """Take the socket of a reply over. Raises DescriptorsMissing or ProtocolError."""
        self.transaction = reply.fields.text("transaction")
        with reply.take_descriptor() as owned:
            try:
                self._socket = socket.socket(fileno=owned.fileno())
            except OSError as error:
                raise ProtocolError(
                    "what a Put is to send its descriptors to is no socket"
                ) from error
            owned.detach()
        if (self._socket.family, self._socket.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            self._socket.close()
            raise ProtocolError("what a Put is to send its descriptors to is of the wrong type")

    def send(self, offer: Offer) -> None:
        """Send the descriptors in one message of one byte. Raises NotSent or Unreachable."""
        numbers = struct.pack(f"{len(offer.numbers)}i", *offer.numbers)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)
        try:
            self._socket.sendmsg([b"\0"], [rights], socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except OSError as error:
            number = error.errno or 0
            if number in _GONE:
                raise Unreachable("the broker hung up before the descriptors were sent") from error
            reason = _REASONS.get(number) or os.strerror(number)
            raise NotSent(f"the descriptors could not be sent: {reason}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
