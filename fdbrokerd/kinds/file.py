# SPDX-License-Identifier: MIT
"""The kind `file`: a regular file, or a FIFO or socket where `type` says so.

    path      below root; may hold ${user}, ${uid}, ${gid} and the resource's arguments
    root      resolution never leaves it; default "/", needed as soon as path holds a ${…}. Links on
              the way are followed only below a root that is given, and only links of root's
    access    read, write, read-write or append
    type      regular (the default), fifo, socket (the peer gets a connection, as by OpenFile=)
    create    make it where it is missing: mode, owner, group (the peer's own: ${user}, ${group})
    deliver   fd (the default), snapshot (a sealed copy in memory), pipe (the broker's child copies)
    max-size  of a snapshot; a larger file is refused

The descriptor is `file`. It is a fresh open file description for each grant: nobody shares an
offset or O_NONBLOCK with anybody. An O_APPEND that is handed out can be cleared by its holder
(fcntl(2)); `deliver: pipe` is for logs that must not be rewritten.
"""

import os
from collections.abc import Mapping
from errno import EAGAIN, ELOOP, ENXIO, EOPNOTSUPP, EXDEV
from functools import partial
from types import MappingProxyType

from fdbrokerd.errors import Busy, Unavailable
from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.beneath import follow, parent_of, strict
from fdbrokerd.kinds.create import create
from fdbrokerd.kinds.deliver import (
    MAX_SNAPSHOT_BYTES,
    QUICK_SNAPSHOT_BYTES,
    snapshot,
    through_pipe,
)
from fdbrokerd.kinds.entry import TYPES, open_entry
from fdbrokerd.kinds.file_spec import ACCESS, FileSpec, file_spec
from fdbrokerd.kinds.kind import WouldBlock
from fdbrokerd.kinds.local import is_local
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.key import Account, Key, Mode, Section, Size, Text, Values, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.openat2 import AT_FDCWD, RESOLVE_NO_MAGICLINKS, openat2
from fdbrokerd.opened import Opened
from fdbrokerd.trusted_path import controlled


class File:
    """The kind."""

    name = "file"
    verbs = frozenset({"get"})
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "path": Key(Text(), "where it is, below root", required=True),
            "root": Key(Text(), 'resolution never leaves it; "/" unless given'),
            "access": Key(Word(tuple(ACCESS)), "how it is opened", required=True),
            "type": Key(Word(tuple(TYPES)), "what it must be; regular unless given"),
            "create": Key(
                Section(
                    {
                        "mode": Key(Mode(), "its permissions", required=True),
                        "owner": Key(Account(), "its owner; the broker's own user unless given"),
                        "group": Key(Account(group=True), "its group"),
                    }
                ),
                "make it where it is missing",
            ),
            "deliver": Key(
                Word(("fd", "snapshot", "pipe")), "how it is handed over; fd unless given"
            ),
            "max-size": Key(Size(MAX_SNAPSHOT_BYTES), "of a snapshot; 1M unless given"),
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({})
    descriptors: tuple[str, ...] = ("file",)
    many = False

    def spec(self, values: Values, arguments: frozenset[str]) -> FileSpec:
        """Return the specification."""
        return file_spec(values, arguments)

    def may_block(self, spec: FileSpec) -> bool:
        """Tell whether it needs the name service, a copying child, or a root that may hang."""
        return (
            not (spec.controlled and spec.local)
            or spec.path.names_user
            or spec.deliver == "pipe"
            or (spec.deliver == "snapshot" and spec.max_size > QUICK_SNAPSHOT_BYTES)
        )

    def holding(self, spec: FileSpec) -> None:  # noqa: ARG002
        """Tell that it holds no items."""
        return

    def wanted(self, request: Request) -> None:  # noqa: ARG002
        """Tell that all there is of it is handed over."""
        return

    def open(self, spec: FileSpec, request: Request, peer: Peer, *, may_wait: bool) -> Opened:
        """Open it, or make and open it, and judge what was opened."""
        path = spec.path.fill(peer, request.arguments)
        try:
            file = _open(spec, path, peer, cross=may_wait)
        except OSError as error:
            if error.errno == EXDEV and not may_wait:
                raise WouldBlock from error
            if error.errno == EAGAIN:  # a lease on the file (fcntl(2), F_SETLEASE)
                raise Busy(resource=request.resource) from error
            if error.errno == ENXIO and spec.type != "regular":  # nobody at the other end of it
                raise Unavailable(resource=request.resource) from error
            # The path is for the record: the peer is told the number alone.
            raise OSError(
                error.errno, f"{spec.root.rstrip('/')}/{path}: {error.strerror}"
            ) from error
        if spec.deliver == "snapshot":
            with file:
                file = snapshot(file.fileno(), spec.max_size, request.resource)
        if may_wait and spec.deliver == "fd" and spec.type == "regular":
            _refuse_what_hangs(file)
        if spec.deliver == "pipe":
            return through_pipe(file, writing=bool(spec.flags & os.O_APPEND))
        return Opened({"file": file})


def _refuse_what_hangs(file: OwnedFd) -> None:
    """Raise OSError for a file whose server can keep whoever closes it waiting (FUSE's FLUSH, NFS).

    The daemon closes what it has sent. A snapshot, or a pipe that this child copies, may still be
    had of it: the daemon never has the file then.
    """
    if is_local(f"/proc/self/fd/{file.fileno()}"):
        return
    file.close()
    raise OSError(EOPNOTSUPP, "its file system may hang: say deliver: snapshot, or pipe")


def _open(spec: FileSpec, path: str, peer: Peer, *, cross: bool) -> OwnedFd:
    """Open the root, the directory below it that holds the file, and the file in that."""
    try:
        return _open_in(*parent_of(_root_of(spec), path, cross=cross), spec, peer, cross=cross)
    except OSError as error:
        if error.errno != ELOOP or not spec.links:
            raise
    with _root_of(spec) as root:
        there = follow(root.fileno(), path, cross=cross)
    return _open_in(*there, spec, peer, cross=cross)


def _open_in(parent: OwnedFd, name: str, spec: FileSpec, peer: Peer, *, cross: bool) -> OwnedFd:
    """Open a file of a directory, which is owned from here on, or make it."""
    there = partial(open_entry, parent.fileno(), name, spec.flags, spec.type, peer.uid, cross=cross)
    try:
        return there()
    except FileNotFoundError:
        if spec.creation is None:
            raise
        try:
            return create(parent.fileno(), name, spec.flags, spec.creation, peer)
        except FileExistsError:  # somebody else was faster
            return there()
    finally:
        parent.close()


def _root_of(spec: FileSpec) -> OwnedFd:
    """Open the root. Where others than root can swap a part of its path, no link on it is followed.

    Otherwise whoever owns that part could have the root be /etc.
    """
    flags = os.O_PATH | os.O_DIRECTORY
    if controlled(spec.root) if spec.controlled is None else spec.controlled:
        return openat2(AT_FDCWD, spec.root, flags, RESOLVE_NO_MAGICLINKS)
    with OwnedFd(os.open("/", flags | os.O_CLOEXEC)) as top:
        return openat2(top.fileno(), spec.root[1:] or ".", flags, strict(cross=True))


KIND = File()
