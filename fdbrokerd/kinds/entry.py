# SPDX-License-Identifier: MIT
"""Opens one entry of a directory and judges what was opened, never what a path said."""

import os
import socket
import stat
from collections.abc import Callable, Mapping
from errno import EAGAIN, EBADFD, ECONNREFUSED, EISDIR, ELOOP, ENXIO, EPROTOTYPE
from types import MappingProxyType

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.beneath import controlled, judge_origin, strict
from fdbrokerd.openat2 import openat2

TYPES: Mapping[str, Callable[[int], bool]] = MappingProxyType(
    {"regular": stat.S_ISREG, "fifo": stat.S_ISFIFO, "socket": stat.S_ISSOCK}
)

_CAREFUL = os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
"""A FIFO does not wait for its other end, a lease is EAGAIN and no terminal becomes the
broker's."""


def open_entry(
    directory: int, name: str, flags: int, kind: str, peer_uid: int, *, cross: bool
) -> OwnedFd:
    """Open a name of a borrowed directory that must be of this type; never a link.

    Where others can write the directory it is looked at first with O_PATH, which has no effect on
    anything: opening a device can rewind a tape. Raises OSError: EBADFD for another type, EACCES
    for a file that somebody may have linked there.
    """
    parent = os.fstat(directory)
    if kind == "socket" or not controlled(parent):
        with openat2(directory, name, os.O_PATH | os.O_NOFOLLOW, strict(cross=cross)) as found:
            status = os.fstat(found.fileno())
            if stat.S_ISLNK(status.st_mode):  # which O_PATH opens, RESOLVE_NO_SYMLINKS or not
                raise OSError(ELOOP, os.strerror(ELOOP))
            _judge(status.st_mode, kind)
            judge_origin(parent, status, peer_uid)
            if kind == "socket":
                return _connect(found.fileno())
            # The same inode, whatever the name is by now (proc(5): /proc/self/fd).
            again = f"/proc/self/fd/{found.fileno()}"
            entry = OwnedFd(os.open(again, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    else:
        entry = openat2(directory, name, flags | _CAREFUL, strict(cross=cross))
    try:
        _judge(os.fstat(entry.fileno()).st_mode, kind)
        os.set_blocking(entry.fileno(), True)
    except OSError:
        entry.close()
        raise
    return entry


def _judge(mode: int, kind: str) -> None:
    if TYPES[kind](mode):
        return
    if stat.S_ISDIR(mode):
        raise OSError(EISDIR, f"it is a directory, not a {kind}")
    raise OSError(EBADFD, f"it is of type {stat.filemode(mode)[0]!r}, not a {kind}")


def _connect(found: int) -> OwnedFd:
    """Connect to the socket that was found; of the three types the one that it listens on.

    A full backlog is EAGAIN at once, since the socket does not block while connecting.
    """
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        connection = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        with connection:
            connection.setblocking(False)
            try:
                connection.connect(f"/proc/self/fd/{found}")
            except BlockingIOError as error:
                raise OSError(EAGAIN, "its backlog is full") from error
            except OSError as error:
                if error.errno == ECONNREFUSED:
                    raise OSError(ENXIO, "nobody listens there") from error
                if error.errno != EPROTOTYPE:
                    raise
                continue
            connection.setblocking(True)
            return OwnedFd(connection.detach())
    raise OSError(EPROTOTYPE, "it is a socket of an unknown type")
