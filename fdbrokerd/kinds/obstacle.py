# SPDX-License-Identifier: MIT
"""What keeps this process from opening what a resource names: its own sandbox, said beforehand.

A warning and no more. What may be opened is the kernel's to say, at each request: a file can be
another by then, and one of a template is not known yet. Nothing is looked at that could hang.
"""

import os
from collections.abc import Iterator
from errno import EACCES, ENOENT

from fdbrokerd.capabilities import Capability, have
from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.beneath import strict
from fdbrokerd.kinds.file_spec import FileSpec
from fdbrokerd.kinds.pty import PtySpec
from fdbrokerd.kinds.socketpair import SocketpairSpec
from fdbrokerd.kinds.store import StoreSpec
from fdbrokerd.model.key import Own
from fdbrokerd.openat2 import AT_FDCWD, RESOLVE_NO_MAGICLINKS, openat2
from fdbrokerd.statfs import file_system_type

_PLACE = os.O_PATH | os.O_NOFOLLOW
_READING = "CAP_DAC_READ_SEARCH, drop-ins/10-files-read.conf"
_WRITING = "CAP_DAC_OVERRIDE, drop-ins/20-files-write.conf"


def obstacles(spec: object) -> Iterator[str]:
    """Yield what is in the way of opening this, each a sentence without a full stop."""
    match spec:
        case PtySpec():
            yield from _owning("a terminal", spec.owner, spec.group)
        case FileSpec():
            yield from _opening(spec)
        case SocketpairSpec():
            if not have(Capability.CAP_SETUID, Capability.CAP_SETGID):
                yield (
                    f"a pair for others than uid {os.geteuid()} takes CAP_SETUID and CAP_SETGID, "
                    "drop-ins/30-socketpair.conf"
                )
        case StoreSpec(holding) if holding.read_only and "file" in holding.accept:
            if not _reads_all():
                yield f"share: read-only of a file that not everyone may read takes {_READING}"


def _owning(what: str, *accounts: int | Own | None) -> Iterator[str]:
    """Say what giving it to another user or group takes."""
    ours = {None, os.geteuid()}
    if all(account in ours for account in accounts) or have(Capability.CAP_CHOWN):
        return
    yield f"{what} for others than uid {os.geteuid()} takes CAP_CHOWN"


def _opening(spec: FileSpec) -> Iterator[str]:
    if spec.creation is not None:
        yield from _owning("a new file", spec.creation.owner, spec.creation.group)
    if spec.controlled is None:
        return  # even to ask whether it is there could hang
    if file_system_type(spec.root) is None:
        yield f"{spec.root} is not there for the daemon: does its unit hide it?"
    if not (spec.controlled and spec.local):
        return  # to look could hang
    try:
        root = openat2(AT_FDCWD, spec.root, os.O_PATH | os.O_DIRECTORY, RESOLVE_NO_MAGICLINKS)
    except OSError:  # a link on the way that is not followed: the request will say so
        return
    with root:
        yield from _below(spec, root.fileno())


def _below(spec: FileSpec, root: int) -> Iterator[str]:
    """Look at the directory that the path fixes, and at the file if it fixes all."""
    directory, _, name = spec.path.pieces[0].rpartition("/")
    shown = os.path.normpath(os.path.join(spec.root, directory))
    try:
        parent = _place(root, directory) if directory else OwnedFd.copy_of(root)
    except OSError as error:
        if error.errno == EACCES:
            yield f"uid {os.geteuid()} does not reach {shown}: {_READING}"
        return  # not there yet, behind a link, or on another mount
    with parent:
        if _writes(spec) and os.fstatvfs(parent.fileno()).f_flag & os.ST_RDONLY:
            yield f"{shown} is read-only for the daemon: its unit's ReadWritePaths="
        elif not os.access(_again(parent), os.X_OK, effective_ids=True):
            yield f"uid {os.geteuid()} may not search {shown}: {_READING}"
        elif spec.path.fixed:
            yield from _entry(spec, parent, os.path.join(shown, name), name)


def _entry(spec: FileSpec, parent: OwnedFd, shown: str, name: str) -> Iterator[str]:
    try:
        with _place(parent.fileno(), name) as file:
            mode = {os.O_RDONLY: os.R_OK, os.O_WRONLY: os.W_OK, os.O_RDWR: os.R_OK | os.W_OK}[
                spec.flags & os.O_ACCMODE
            ]
            if not os.access(_again(file), mode, effective_ids=True):
                verb, takes = ("write", _WRITING) if mode & os.W_OK else ("read", _READING)
                yield f"uid {os.geteuid()} may not {verb} {shown}: {takes}"
    except OSError as error:
        makes = error.errno == ENOENT and spec.creation is not None
        if makes and not os.access(_again(parent), os.W_OK, effective_ids=True):
            yield f"uid {os.geteuid()} may not make {shown}: {_WRITING}"


def _place(directory: int, path: str) -> OwnedFd:
    """Find something without opening it, on the same mount and through no link."""
    return openat2(directory, path, _PLACE, strict(cross=False))


def _again(place: OwnedFd) -> str:
    """Return a path to what was found, whatever its name leads to by now (proc(5))."""
    return f"/proc/self/fd/{place.fileno()}"


def _writes(spec: FileSpec) -> bool:
    return spec.flags & os.O_ACCMODE != os.O_RDONLY


def _reads_all() -> bool:
    return have(Capability.CAP_DAC_READ_SEARCH) or have(Capability.CAP_DAC_OVERRIDE)
