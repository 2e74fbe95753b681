# SPDX-License-Identifier: MIT
"""The daemon's end of its sockets: listen, and receive calls, which never carry descriptors."""

import _socket
import os
import select
import socket
import stat
import struct
import sys
from errno import ENOPROTOOPT
from fcntl import ioctl

from fdbrokerd.channel import READ_BYTES, parse_address
from fdbrokerd.errors import ProtocolError

SO_PASSRIGHTS = 83
"""Linux 6.16: off, and a peer that attaches descriptors gets EPERM. Python has no name for it."""

SIOCOUTQ = 0x5411
"""linux/sockios.h; the number is TIOCOUTQ's."""

_UNREAD = bytearray(4)
"""Where SIOCOUTQ answers: of bytes, ioctl makes copies that take longer than the call."""

LISTEN_BACKLOG = 4096
"""somaxconn's default since Linux 5.4: a client that closes keeps its place until it is
accepted."""

_CREDENTIALS = struct.Struct("iII")
_CREDENTIALS_SPACE = socket.CMSG_LEN(_CREDENTIALS.size)
"""Room for one SCM_CREDENTIALS and not one byte more: where a peer can attach descriptors in spite
of SO_PASSRIGHTS (Linux before 6.16, a connection from before it was set), the kernel drops them
instead of installing them, and says MSG_CTRUNC."""


class UnwantedDescriptors(ProtocolError):
    """A peer attached descriptors where none belong; none was installed."""


Writer = list[tuple[int, int, bytes]]
"""What a receive says of who wrote; equal for the same process under the same ids."""

# _socket's numbers: those of `socket` are enums, and a flag of these costs as much as the call.
_RECEIVE_FLAGS = _socket.MSG_CMSG_CLOEXEC | _socket.MSG_DONTWAIT
_CTRUNC = int(_socket.MSG_CTRUNC)


def receive_call(connection: _socket.socket) -> tuple[bytes, Writer]:
    """Receive some bytes of calls, and what the kernel says of who wrote them.

    No bytes are the end of the stream. Never waits, and never installs a descriptor. Raises
    UnwantedDescriptors, BlockingIOError, and OSError where the peer has reset the connection.
    """
    data, writer, flags, _ = connection.recvmsg(READ_BYTES, _CREDENTIALS_SPACE, _RECEIVE_FLAGS)
    if flags & _CTRUNC:
        raise UnwantedDescriptors("descriptors where none belong")
    return data, writer


def uid_of(writer: Writer) -> int | None:
    """Return the real uid of who wrote; None where the kernel said none."""
    for level, kind, body in writer:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_CREDENTIALS:
            uid: int = _CREDENTIALS.unpack(body)[1]
            return uid
    return None


def has_gone(connection: _socket.socket) -> bool:
    """Tell whether a peer has closed its end: not only its sending half, after which it may read.

    POLLHUP says that both directions are shut down (poll(2), unix_poll of af_unix.c).
    """
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def unread_bytes(connection: _socket.socket) -> int:
    """Return how much of what was sent the peer has not received (SIOCOUTQ, unix(7)).

    Nothing of a peer that has closed its end: its queue went with it.
    """
    ioctl(connection, SIOCOUTQ, _UNREAD)
    return int.from_bytes(_UNREAD, sys.byteorder)


def address_of(listening: _socket.socket) -> str:
    """Return a Unix socket's own address, written as `parse_address` reads it."""
    name = listening.getsockname()
    return f"@{name[1:].decode()}" if isinstance(name, bytes) else str(name)


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


def harden(listener_or_connection: _socket.socket) -> None:
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
