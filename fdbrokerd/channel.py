# SPDX-License-Identifier: MIT
"""The socket: one receive, one send, connect, listen. The only `recvmsg` and `sendmsg` on streams.

`socket.recv_fds` and `send_fds` are not used: they drop their flags, and what they receive is
inheritable (gh-107898).
"""

import os
import select
import socket
import stat
import struct
import sys
from errno import EBADF, ENOPROTOOPT

from fdbrokerd.errors import ProtocolError, Unreachable, UsageError
from fdbrokerd.fd import OwnedFd
from fdbrokerd.wire import MAX_DESCRIPTORS

SO_PASSRIGHTS = 83
"""Linux 6.16: off, and a peer that attaches descriptors gets EPERM. Python has no name for it."""

READ_BYTES = 16 * 1024
"""One receive. A call is a few hundred bytes; more than one is a pipeline."""

LISTEN_BACKLOG = 4096
"""somaxconn's default since Linux 5.4: a client that closes keeps its place until it is
accepted."""

_CREDENTIALS = struct.Struct("iII")
_CREDENTIALS_SPACE = socket.CMSG_LEN(_CREDENTIALS.size)
"""Room for one SCM_CREDENTIALS and not one byte more: where a peer can attach descriptors in spite
of SO_PASSRIGHTS (Linux before 6.16, a connection from before it was set), the kernel drops them
instead of installing them, and says MSG_CTRUNC."""

_DESCRIPTORS_SPACE = socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)


class UnwantedDescriptors(ProtocolError):
    """A peer attached descriptors where none belong; none was installed."""


def receive_call(connection: socket.socket) -> tuple[bytes, int | None]:
    """Receive some bytes of calls, and the real uid of who wrote them (None: the kernel said none).

    No bytes are the end of the stream. Never installs a descriptor. Raises UnwantedDescriptors,
    BlockingIOError, and OSError where the peer has reset the connection.
    """
    data, ancillary, flags, _ = connection.recvmsg(
        READ_BYTES, _CREDENTIALS_SPACE, socket.MSG_CMSG_CLOEXEC
    )
    if flags & socket.MSG_CTRUNC:
        raise UnwantedDescriptors("descriptors where none belong")
    for level, kind, body in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return data, _CREDENTIALS.unpack(body)[1]
    return data, None


def has_gone(connection: socket.socket) -> bool:
    """Tell whether a peer has closed its end: not only its sending half, after which it may read.

    POLLHUP says that both directions are shut down (poll(2), unix_poll of af_unix.c).
    """
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def receive_reply(connection: socket.socket) -> tuple[bytes, list[OwnedFd], bool]:
    """Receive some bytes, the descriptors that came with them, and whether some were kept back.

    The descriptors are owned before anything is judged, and close-on-exec from birth. Never waits:
    a socket that was inherited is shared, so it is not made non-blocking, each receive is.
    """
    data, ancillary, flags, _ = connection.recvmsg(
        READ_BYTES, _DESCRIPTORS_SPACE, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    )
    descriptors = [
        OwnedFd(int.from_bytes(body[at : at + 4], sys.byteorder))
        for level, kind, body in ancillary
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS
        for at in range(0, len(body) - len(body) % 4, 4)
    ]
    return data, descriptors, bool(flags & socket.MSG_CTRUNC)


def send(
    connection: socket.socket, data: bytes | memoryview, descriptors: tuple[OwnedFd, ...]
) -> int:
    """Send bytes, and descriptors with the first of them, in one sendmsg(2); return how many bytes.

    After a short count the descriptors are gone with the bytes that went: the rest is sent without.
    Never waits.
    """
    flags = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
    if not descriptors:
        return connection.send(data, flags)
    numbers = struct.pack(f"{len(descriptors)}i", *(one.fileno() for one in descriptors))
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)
    return connection.sendmsg([data], [rights], flags)


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


def address_of(listening: socket.socket) -> str:
    """Return a Unix socket's own address, written as `parse_address` reads it."""
    name = listening.getsockname()
    return f"@{name[1:].decode()}" if isinstance(name, bytes) else str(name)


def connect(address: str, timeout_seconds: float | None) -> socket.socket:
    """Connect to a broker, blocking.

    A non-blocking connect(2) fails at once on a full backlog (unix(7)), so the time is bounded with
    SO_SNDTIMEO. Raises Unreachable.
    """
    if address.startswith("fd:"):
        return _inherited(address)
    target = parse_address(address)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if timeout_seconds is not None:
            seconds, rest = divmod(timeout_seconds, 1)
            bound = struct.pack("@ll", int(seconds), max(int(rest * 1_000_000), 1))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
        connection.connect(target)
    except OSError as error:
        connection.close()
        raise Unreachable(f"no broker at {address}: {os.strerror(error.errno or 0)}") from error
    return connection


def _inherited(address: str) -> socket.socket:
    number = address.removeprefix("fd:")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"not an address: {address!r}: give fd:NUMBER")
    try:
        with OwnedFd.copy_of(int(number)) as copy:  # the number stays its owner's
            connection = socket.socket(fileno=copy.fileno())
            copy.detach()
    except (OSError, OverflowError) as error:
        reason = os.strerror(getattr(error, "errno", None) or EBADF)
        raise Unreachable(f"no connected socket at {address}: {reason}") from error
    if (connection.family, connection.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        connection.close()
        raise Unreachable(f"no connected socket at {address}: not a Unix stream socket")
    return connection


def listen(address: str, mode: int) -> socket.socket:
    """Bind and listen. A stale path socket is replaced, a live one is an error.

    Raises OSError (EADDRINUSE: somebody else has the name).
    """
    target = parse_address(address)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if isinstance(target, str):
            _bind_path(listener, target, mode)
        else:
            listener.bind(target)
        harden(listener)
        listener.listen(LISTEN_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_path(listener: socket.socket, path: str, mode: int) -> None:
    """Bind with the umask that gives the mode at once: a chmod afterwards would leave a gap.

    What is no socket refuses connections too, and is never removed.
    """
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
        except OSError:
            pass  # nothing there, or a full backlog of a live one: bind(2) says so
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(path)
    finally:
        os.umask(before)


def harden(listener_or_connection: socket.socket) -> None:
    """Refuse descriptors, and have every receive name its writer.

    Set on the listener, where connections inherit it, and on each accepted socket again: one that
    was queued before has neither.
    """
    try:
        listener_or_connection.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
    except OSError as error:
        if error.errno != ENOPROTOOPT:
            raise
    listener_or_connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
