# SPDX-License-Identifier: MIT
"""Who is at the other end of a socket, as the kernel attests it. The only place that asks.

Identity is taken once, at accept, and frozen; without it there is no connection.
"""

import os
import socket
import struct
from errno import ENODATA

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer

SO_PEERGROUPS = 59
SO_PEERPIDFD = 77
"""Linux 6.5. Python has no names for these two."""

MAX_GROUPS = 256
"""CPython's getsockopt() takes no buffer over 1,024 bytes. A peer with more groups gets no
connection: a rule that denies one of them must not be passed by hiding it among many."""

_CREDENTIALS = struct.Struct("iII")


class NoIdentity(Error):
    """The kernel does not say who the peer is."""


def identify(connection: socket.socket) -> Peer:
    """Return the peer of a connected socket: its ids and groups when it connected.

    Raises NoIdentity.
    """
    try:
        credentials = connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
        )
        pid, uid, gid = _CREDENTIALS.unpack(credentials)
        groups = _groups(connection)
    except OSError as error:
        raise NoIdentity(f"the kernel does not say who the peer is: {error.strerror}") from error
    return Peer(pid, uid, gid, frozenset((gid, *groups)))


def _groups(connection: socket.socket) -> tuple[int, ...]:
    """Return the supplementary groups; more than MAX_GROUPS are ERANGE."""
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
    except OSError as error:
        if error.errno == ENODATA:
            return ()
        raise
    return struct.unpack(f"{len(packed) // 4}I", packed)


def process_of(connection: socket.socket, peer: Peer) -> OwnedFd:
    """Return a pidfd of the process that connected, which cannot be mistaken for a later one.

    The kernel pins the process at connect(2), so it may be asked for at any time. Before Linux 6.5
    it is opened by number; then a process that ended in between may be mistaken for its successor,
    which at worst ends a lease late. Raises OSError: ESRCH where the process is gone.
    """
    try:
        number = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError:
        return OwnedFd(os.pidfd_open(peer.pid))
    return OwnedFd(number)
