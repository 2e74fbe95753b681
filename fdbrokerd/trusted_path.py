# SPDX-License-Identifier: MIT
"""Files that only root, or the user running the broker, can change: all that it believes.

A path is walked from `/`, each component opened in the one before it and judged by fstat, so that
what was judged is what is read. Every directory on the way must be owned by root or by the broker's
own user, and writable by nobody else; in a sticky directory (/tmp) others cannot replace what is
theirs, so there it is enough that the next component is so owned. Links on the way are followed by
the same rules, and only those that root or the broker's user made.

Write bits tell of POSIX ACLs too: the group's bits are the mask of the ACL (acl(5)).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from msgspec import Struct

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.fd import OwnedFd

MAX_FILE_BYTES = 256 * 1024
"""Some thousand rules. A parser's time and memory grow with the file, and a reload waits for it."""

MAX_LINKS = 40
"""As many as the kernel follows (path_resolution(7)): more is a loop."""

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NULL_DEVICE = os.makedev(1, 3)


class _Found(Struct, frozen=True):
    """What a path leads to: an O_PATH descriptor, its status, and its path without links."""

    fd: OwnedFd
    status: os.stat_result
    path: str


def read(path: str) -> bytes:
    """Return what a regular file holds.

    FileNotFoundError is left to the caller, who knows whether a file may be missing; all else is a
    ConfigurationError that names the component at fault.
    """
    with ExitStack() as stack:
        found = _walk(path, stack)
        if not stat.S_ISREG(found.status.st_mode):
            raise ConfigurationError("is not a regular file", found.path)
        _refuse_foreign(found)
        with _reopened(found) as file:
            before = os.fstat(file)
            data = bytearray()
            while chunk := os.read(file, MAX_FILE_BYTES + 1 - len(data)):
                data += chunk
            after = os.fstat(file)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"is longer than {MAX_FILE_BYTES} bytes", found.path)
    if len(data) != after.st_size or _moment(before) != _moment(after):
        raise ConfigurationError("was written to while it was read: load it again", found.path)
    return bytes(data)


def _moment(status: os.stat_result) -> tuple[int, int]:
    """Return when a file was last changed. Half of a file may be good rules, without its denies."""
    return status.st_mtime_ns, status.st_ctime_ns


def names(directory: str) -> Sequence[str]:
    """Return the names in a directory, sorted. Fails as `read` does.

    Here sticky is not enough: anybody could add a name, and a hard link to a file of root's.
    """
    with ExitStack() as stack:
        found = _walk(directory, stack)
        if not stat.S_ISDIR(found.status.st_mode):
            raise ConfigurationError("is not a directory", found.path)
        _refuse_foreign(found)
        with _reopened(found) as opened:
            return sorted(os.listdir(opened))


def is_null(path: str) -> bool:
    """Tell whether a path leads to /dev/null, as a link that masks a file does. Fails as `read`."""
    with ExitStack() as stack:
        status = _walk(path, stack).status
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == _NULL_DEVICE


def controlled(path: str) -> bool:
    """Tell whether only root, or the broker's user, can change what a path leads to.

    Who may change what is *in* it is another question. False where it cannot be told, as when the
    path leads nowhere.
    """
    try:
        with ExitStack() as stack:
            _walk(path, stack)
    except (ConfigurationError, OSError):
        return False
    return True


def _walk(path: str, stack: ExitStack) -> _Found:
    """Open what a path leads to, judging every step. The stack owns every descriptor."""
    if "\0" in path:
        raise ConfigurationError("holds a NUL character", repr(path))
    waiting = _components(os.path.join(os.getcwd(), path))
    here = _look(None, "/", stack)
    links = 0
    while waiting:
        name = waiting.pop()
        following = _look(here, name, stack)
        _judge_step(here, following)
        if not stat.S_ISLNK(following.status.st_mode):
            here = following
            continue
        links += 1
        if links > MAX_LINKS:
            raise ConfigurationError(f"more than {MAX_LINKS} links on the way", following.path)
        target = _target(following)
        if target.startswith("/"):
            here = _look(None, "/", stack)
        waiting += _components(target)
    return here


def _components(path: str) -> list[str]:
    """Return the components of a path, the last one first, so that the next is popped.

    `..` stays: it is opened like a name, and `/a/link/..` is where the link leads to.
    """
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _look(directory: _Found | None, name: str, stack: ExitStack) -> _Found:
    """Open a name, without following it and without waking a device or a FIFO."""
    path = name if directory is None else _joined(directory.path, name)
    try:
        number = os.open(name, _LOOK, dir_fd=None if directory is None else directory.fd.fileno())
        fd = stack.enter_context(OwnedFd(number))
        return _Found(fd, os.fstat(fd.fileno()), path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"cannot be opened: {error.strerror}", path) from error


def _joined(directory: str, name: str) -> str:
    """Return a path for people; the directory is one without links, so `..` may be cut."""
    return os.path.normpath(os.path.join(directory, name))


def _judge_step(here: _Found, following: _Found) -> None:
    """Refuse a step that somebody else could lead elsewhere."""
    if here.status.st_mode & stat.S_ISVTX:
        _refuse_owner(here)
    else:
        _refuse_foreign(here)
    if here.status.st_mode & _FOREIGN_WRITE or stat.S_ISLNK(following.status.st_mode):
        _refuse_owner(following)


def _refuse_owner(found: _Found) -> None:
    """Refuse what is neither root's nor the broker's user's."""
    trusted = {0, os.geteuid()}
    if found.status.st_uid not in trusted:
        whose = " or ".join(f"uid {uid}" for uid in sorted(trusted))
        mend = f"chown -h root {found.path}"
        if stat.S_ISDIR(found.status.st_mode):  # perhaps somebody's home, who is to keep it
            mend = "what it believes must be in a directory of theirs"
        raise ConfigurationError(
            f"belongs to uid {found.status.st_uid}, not to {whose}: {mend}", found.path
        )


def _refuse_foreign(found: _Found) -> None:
    """Refuse what somebody else owns or may write to."""
    _refuse_owner(found)
    if found.status.st_mode & _FOREIGN_WRITE:
        raise ConfigurationError(
            f"others than its owner may write to it: chmod go-w {found.path}", found.path
        )


def _target(link: _Found) -> str:
    """Return what a link says: of the opened link, not of a name that may be another by now."""
    try:
        return os.readlink("", dir_fd=link.fd.fileno())
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", link.path) from error


@contextmanager
def _reopened(found: _Found) -> Iterator[int]:
    """Open for reading the very thing that was judged, and lend its descriptor.

    O_NONBLOCK: a lease on the file (fcntl(2), F_SETLEASE) is an error then, not a wait.
    """
    try:
        with OwnedFd(os.open(f"/proc/self/fd/{found.fd.fileno()}", _READ)) as opened:
            yield opened.fileno()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", found.path) from error
