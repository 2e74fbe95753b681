# SPDX-License-Identifier: MIT
"""Packets between the daemon and a child: bytes and descriptors, all or nothing.

SOCK_SEQPACKET: one send is one receive, and the end of the stream is an empty one.
"""

import socket
import struct
import sys
from collections.abc import Sequence

from fdbrokerd.fd import OwnedFd
from fdbrokerd.wire import MAX_DESCRIPTORS

MAX_PACKET_BYTES = 192 * 1024
"""253 descriptors with what each was judged to be are 150 KiB at the most; net.core.wmem_default,
beyond which a packet is EMSGSIZE, is 208."""

_INT = struct.Struct("i")
DESCRIPTORS_SPACE = socket.CMSG_SPACE(_INT.size * MAX_DESCRIPTORS)

GO = b"g"
"""Says that what came before may be closed now: the daemon has no copy of it any more, or has one
for good. Closed before, what blocks would block the daemon, the last to close it."""

DONE = b"d"
"""Says that a child has closed what it had."""


def send(channel: socket.socket, data: bytes, numbers: Sequence[int] = ()) -> None:
    """Send a packet. Raises OSError, and then nothing has been sent."""
    rights = struct.pack(f"{len(numbers)}i", *numbers)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if numbers else []
    channel.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)


def receive(channel: socket.socket) -> tuple[bytes, list[OwnedFd], bool]:
    """Receive a packet, its descriptors, and whether some of them were kept back.

    Empty at the end of the stream. Waits where the channel does.
    """
    data, ancillary, flags, _ = channel.recvmsg(
        MAX_PACKET_BYTES, DESCRIPTORS_SPACE, socket.MSG_CMSG_CLOEXEC
    )
    return data, owned(ancillary), bool(flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC))


def owned(ancillary: list[tuple[int, int, bytes]]) -> list[OwnedFd]:
    """Return the descriptors that came with a packet."""
    return [
        OwnedFd(int.from_bytes(body[at : at + _INT.size], sys.byteorder))
        for level, kind, body in ancillary
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS
        for at in range(0, len(body) - len(body) % _INT.size, _INT.size)
    ]
