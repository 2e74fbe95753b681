# SPDX-License-Identifier: MIT
"""Descriptors that only read, made of held ones, and that cannot be turned into others that write.

A fresh open file description by /proc/self/fd/N (proc_pid_fd(5)): whoever has it can do the same,
and open it for writing where the file's mode lets him. So a file is kept back from who could; a
memfd has had seals against writing and cutting demanded when it was put.
"""

import os
import stat
from errno import EACCES
from fcntl import F_GETFL, fcntl

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer
from fdbrokerd.opened import Opened

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""O_NONBLOCK: a file with a lease on it would wait for its holder (fcntl(2), F_SETLEASE)."""

_SEALS_AGAINST_WRITING = 0x0008 | 0x0010
"""F_SEAL_WRITE and F_SEAL_FUTURE_WRITE: one of them."""

_SEALS_AGAINST_CUTTING = 0x0002 | 0x0004
"""F_SEAL_SHRINK and F_SEAL_GROW, both: ftruncate(2) is no writing."""

_F_GET_SEALS = 1034


def read_only(opened: Opened, peer: Peer) -> Opened:
    """Return fresh descriptors that only read, for a peer; those given stay the caller's.

    Raises OSError: EACCES where the peer could open one of them for writing.
    """
    made: dict[str, OwnedFd] = {}
    try:
        for name, one in zip(opened.names, opened.descriptors, strict=True):
            _check(one.fileno(), peer)
            made[name] = OwnedFd(os.open(f"/proc/self/fd/{one.fileno()}", _FLAGS))
            os.set_blocking(made[name].fileno(), True)
    except BaseException:
        Opened(made).close()
        raise
    return Opened(made, opened.properties)


def _check(descriptor: int, peer: Peer) -> None:
    if _is_sealed(descriptor):
        return
    status = os.fstat(descriptor)
    mode = status.st_mode
    # Put before the rules said `read-only`, so not judged by that: root would read for the peer
    # what whoever put it could not, and opening a terminal or a pipe is no reading of it.
    writes_only = fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_WRONLY
    if not stat.S_ISREG(mode) or writes_only:
        raise OSError(EACCES, "it is not a file that was opened for reading")
    # The owner can change the mode; of an access list the group's bits are the upper bound.
    if status.st_uid == peer.uid or mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(EACCES, "the peer could open it for writing")


def _is_sealed(descriptor: int) -> bool:
    try:
        seals = fcntl(descriptor, _F_GET_SEALS)
    except OSError:
        return False  # no memfd
    whole = seals & _SEALS_AGAINST_CUTTING == _SEALS_AGAINST_CUTTING
    return whole and bool(seals & _SEALS_AGAINST_WRITING)
