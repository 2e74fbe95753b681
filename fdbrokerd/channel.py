# SPDX-License-Identifier: MIT
"""The socket of a connection: connect, one receive with descriptors, one send.

`socket.recv_fds` and `send_fds` are not used: they drop their flags, and what they receive is
inheritable (gh-107898). `_socket` is what `socket` is made of: importing that one, with the enum
and the selectors that it needs, would take a third of a client's start.
"""

import _socket
import sys
from _struct import pack
from errno import EBADF
from posix import strerror

from fdbrokerd.errors import Unreachable, UsageError
from fdbrokerd.fd import OwnedFd, Rights
from fdbrokerd.wire import MAX_DESCRIPTORS

READ_BYTES = 16 * 1024
"""One receive. A call is a few hundred bytes; more than one is a pipeline."""

_SEND_FLAGS = _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT
_DESCRIPTORS_SPACE = _socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)


def receive_reply(connection: _socket.socket) -> tuple[bytes, list[OwnedFd], bool]:
    """Receive some bytes, the descriptors that came with them, and whether some were kept back.

    The descriptors are owned before anything is judged, and close-on-exec from birth. Never waits:
    a socket that was inherited is shared, so it is not made non-blocking, each receive is.
    """
    data, ancillary, flags, _ = connection.recvmsg(
        READ_BYTES, _DESCRIPTORS_SPACE, _socket.MSG_CMSG_CLOEXEC | _socket.MSG_DONTWAIT
    )
    descriptors = [
        OwnedFd(int.from_bytes(body[at : at + 4], sys.byteorder))
        for level, kind, body in ancillary
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS
        for at in range(0, len(body) - len(body) % 4, 4)
    ]
    return data, descriptors, bool(flags & _socket.MSG_CTRUNC)


def send(connection: _socket.socket, data: bytes | memoryview, rights: Rights) -> int:
    """Send bytes, and descriptors with the first of them, in one sendmsg(2); return how many bytes.

    After a short count the descriptors are gone with the bytes that went: the rest is sent without.
    Never waits.
    """
    if not rights:
        return connection.send(data, _SEND_FLAGS)
    return connection.sendmsg((data,), rights, _SEND_FLAGS)


def parse_address(text: str) -> str | bytes:
    """Return what bind(2) and connect(2) take for `@name` or an absolute path.

    An abstract name is passed at its exact length: padded with NULs it would be another one.
    """
    try:
        name = text.encode()
    except UnicodeEncodeError:
        name = b""
    if len(name) <= 107 and b"\0" not in name:
        if name.startswith(b"@") and len(name) > 1:
            return b"\0" + name[1:]
        if name.startswith(b"/"):
            return text
    raise UsageError(
        f"not an address: {text!r}: give @NAME or an absolute path of at most 107 bytes"
    )


def connect(address: str, timeout_seconds: float | None) -> _socket.socket:
    """Connect to a broker, blocking.

    A non-blocking connect(2) fails at once on a full backlog (unix(7)), so the time is bounded with
    SO_SNDTIMEO. Raises Unreachable.
    """
    if address.startswith("fd:"):
        return _inherited(address)
    target = parse_address(address)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        if timeout_seconds is not None:
            seconds, rest = divmod(timeout_seconds, 1)
            bound = pack("@ll", int(seconds), max(int(rest * 1_000_000), 1))
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, bound)
        connection.connect(target)
    except OSError as error:
        connection.close()
        raise Unreachable(f"no broker at {address}: {strerror(error.errno or 0)}") from error
    return connection


def _inherited(address: str) -> _socket.socket:
    number = address.removeprefix("fd:")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"not an address: {address!r}: give fd:NUMBER")
    try:
        with OwnedFd.copy_of(int(number)) as copy:  # the number stays its owner's
            connection = _socket.socket(fileno=copy.fileno())
            copy.detach()
    except (OSError, OverflowError) as error:
        reason = strerror(getattr(error, "errno", None) or EBADF)
        raise Unreachable(f"no connected socket at {address}: {reason}") from error
    if (connection.family, connection.type) != (_socket.AF_UNIX, _socket.SOCK_STREAM):
        connection.close()
        raise Unreachable(f"no connected socket at {address}: not a Unix stream socket")
    return connection
