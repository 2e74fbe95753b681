# SPDX-License-Identifier: MIT
"""Who is at the other end of a socket, as the kernel attests it. The only place that asks.

Identity is taken once, at accept, and frozen; without it there is no connection.
"""

import _socket
import os
import struct
from errno import EMFILE, ENFILE, ENODATA, ENOMEM
from functools import lru_cache

from fdbrokerd.errors import Error
from fdbrokerd.facts import SO_PEERPIDFD, facts_of, ids_of, in_foreign_pid_namespace
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.facts import NO_FACTS, Facts
from fdbrokerd.model.peer import Peer

SO_PEERGROUPS = 59
"""Python has no name for it."""

MAX_GROUPS = 256
"""CPython's getsockopt() takes no buffer over 1,024 bytes. A peer with more groups gets no
connection: a rule that denies one of them must not be passed by hiding it among many."""

MAX_USERS = 256
"""Whose groups are kept: the same bytes come with each connection of a user."""

_OUT_OF_DESCRIPTORS = frozenset({EMFILE, ENFILE, ENOMEM})

_CREDENTIALS = struct.Struct("iII")


class NoIdentity(Error):
    """The kernel does not say who the peer is."""


def credentials(connection: _socket.socket) -> tuple[int, int, int]:
    """Return the pid, uid and gid of whoever connected. Raises NoIdentity."""
    try:
        packed = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError as error:
        raise _unknown(error) from error
    pid, uid, gid = _CREDENTIALS.unpack(packed)
    return pid, uid, gid


def _unknown(error: OSError) -> NoIdentity:
    return NoIdentity(f"the kernel does not say who the peer is: {error.strerror}")


def identify(
    connection: _socket.socket, ids: tuple[int, int, int] | None = None, *, with_facts: bool
) -> Peer:
    """Return the peer of a connected socket: its ids and groups when it connected.

    `ids` are its `credentials`, where these were asked for before. Whether it is of our pid
    namespace is always looked at; the facts of its process only where a rule asks for one. Raises
    NoIdentity.
    """
    pid, uid, gid = credentials(connection) if ids is None else ids
    try:
        groups = _groups(connection, gid)
        facts, foreign = _process(connection, pid, with_facts=with_facts)
    except OSError as error:
        raise _unknown(error) from error
    return Peer(pid, uid, gid, groups, facts, foreign)


def _process(connection: _socket.socket, pid: int, *, with_facts: bool) -> tuple[Facts, bool]:
    """Return the facts of the peer's process, and whether it is of another namespace.

    Without SO_PEERPIDFD (before Linux 6.5) a process is not pinned: its facts are unknown, and its
    namespace is that of whoever has its number now. Raises OSError where we are out of descriptors,
    which says nothing of the peer.
    """
    pinned = True
    try:
        pidfd = OwnedFd(connection.getsockopt(_socket.SOL_SOCKET, SO_PEERPIDFD))
    except OSError as error:
        if error.errno in _OUT_OF_DESCRIPTORS:
            raise
        pinned = False
        try:
            pidfd = OwnedFd(os.pidfd_open(pid))
        except OSError as gone:
            if gone.errno in _OUT_OF_DESCRIPTORS:
                raise
            return NO_FACTS, True
    with pidfd:
        if with_facts and pinned:
            return facts_of(pid, pidfd, connection)
        return NO_FACTS, in_foreign_pid_namespace(pidfd)


def _groups(connection: _socket.socket, gid: int) -> frozenset[int]:
    """Return the group and the supplementary groups; more than MAX_GROUPS are ERANGE."""
    try:
        packed = connection.getsockopt(_socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
    except OSError as error:
        if error.errno == ENODATA:
            return frozenset((gid,))
        raise
    return _all_groups(gid, packed)


@lru_cache(MAX_USERS)
def _all_groups(gid: int, packed: bytes) -> frozenset[int]:
    return frozenset((gid, *struct.unpack(f"{len(packed) // 4}I", packed)))


def of_process(pid: int) -> Peer:
    """Return a running process as the peer that it would be if it connected now.

    For explanations. Raises NoIdentity.
    """
    try:
        with OwnedFd(os.pidfd_open(pid)) as pidfd:
            uid, gid, groups = ids_of(pid)
            facts, foreign = facts_of(pid, pidfd, None)
    except (OSError, ValueError) as error:
        raise NoIdentity(f"there is no process {pid}, or it is not to be seen") from error
    return Peer(pid, uid, gid, frozenset((gid, *groups)), facts, foreign)


def process_of(connection: _socket.socket, peer: Peer) -> OwnedFd:
    """Return a pidfd of the process that connected, which cannot be mistaken for a later one.

    The kernel pins the process at connect(2), so it may be asked for at any time. Before Linux 6.5
    it is opened by number; then a process that ended in between may be mistaken for its successor,
    which at worst ends a lease late. Raises OSError: ESRCH where the process is gone.
    """
    try:
        number = connection.getsockopt(_socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError:
        return OwnedFd(os.pidfd_open(peer.pid))
    return OwnedFd(number)
