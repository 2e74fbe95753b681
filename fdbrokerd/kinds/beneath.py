# SPDX-License-Identifier: MIT
"""From a path below a root to the directory that holds it, without being led elsewhere.

- Resolution never leaves the root: openat2(2) with RESOLVE_BENEATH, and where links are followed a
  walk that never looks up `..` but goes back to the directory it came from.
- A link is followed only where its maker is trusted (root, or the user running the broker) and
  where it has one name: whoever owns a directory below the root can put a link into it, or a hard
  link to a link of root's. This is the "safe transition" rule of systemd's chase().
- `cross` lets a path enter another mount. Within one local file system nothing can hang; another
  may be FUSE or NFS, and that is for a child.
"""

import os
import stat
from collections import deque
from errno import EACCES, EISDIR, ELOOP, ENOENT, EXDEV

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    openat2,
)

MAX_LINKS = 40
"""What the kernel follows in one path (path_resolution(7))."""

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_ANYTHING = os.O_PATH | os.O_NOFOLLOW
_STRICT = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS


def controlled(status: os.stat_result) -> bool:
    """Tell whether only root, or the user running the broker, can put things into a directory."""
    return status.st_uid in {0, os.geteuid()} and not status.st_mode & 0o022


def strict(*, cross: bool) -> int:
    """Return the RESOLVE_ flags for one step: beneath, no link of any sort, and maybe no mount."""
    return _STRICT if cross else _STRICT | RESOLVE_NO_XDEV


def parent_of(root: OwnedFd, path: str, *, cross: bool) -> tuple[OwnedFd, str]:
    """Return the directory that holds what the path names, and its name there; follow no link.

    `root` is owned from here on: it is the directory, or closed. The name may not exist, or be a
    link. Raises OSError: ELOOP for a link on the way, EXDEV for a way out of the root or, without
    `cross`, into another mount.
    """
    directory, _, name = path.rpartition("/")
    if not directory:
        return root, name
    try:
        return openat2(root.fileno(), directory, _DIRECTORY, strict(cross=cross)), name
    finally:
        root.close()


def follow(root: int, path: str, *, cross: bool) -> tuple[OwnedFd, str]:
    """Do the same where there are links on the way, or at its end: follow those that are trusted.

    One component at a time. The directories above are kept, for `..`. Raises OSError, as
    `parent_of` does; ELOOP for a link that must not be followed. `root` is borrowed.
    """
    way = [OwnedFd.copy_of(root)]
    rest = deque(path.split("/"))
    links = 0
    try:
        while True:
            component = rest.popleft()
            if component in {"", "."} and rest:
                continue
            if component == "..":
                _back(way)
                if not rest:
                    raise OSError(EISDIR, "a link leads to a directory")
                continue
            target = _target(way[-1].fileno(), component, cross=cross)
            if target is not None:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(ELOOP, "more links than the kernel follows")
                if target.startswith("/"):
                    raise OSError(EXDEV, f"the link {component!r} is absolute and leaves the root")
                rest.extendleft(reversed(target.split("/")))
            elif rest:
                way.append(openat2(way[-1].fileno(), component, _DIRECTORY, strict(cross=cross)))
            else:
                return way.pop(), component
    finally:
        close_all(way)


def _back(way: list[OwnedFd]) -> None:
    if len(way) == 1:
        raise OSError(EXDEV, "a link leaves the root")
    way.pop().close()


def _target(directory: int, name: str, *, cross: bool) -> str | None:
    """Return where a link leads, None for what is no link or not there.

    The link is opened and judged before it is read, so that both are of the same link.
    """
    try:
        entry = openat2(directory, name, _ANYTHING, strict(cross=cross) & ~RESOLVE_NO_SYMLINKS)
    except OSError as error:
        if error.errno == ENOENT:
            return None
        raise
    with entry:
        status = os.fstat(entry.fileno())
        if not stat.S_ISLNK(status.st_mode):
            return None
        if status.st_uid not in {0, os.geteuid()}:
            raise OSError(ELOOP, f"the link {name!r} belongs to uid {status.st_uid}")
        if status.st_nlink != 1:
            raise OSError(ELOOP, f"the link {name!r} has {status.st_nlink} names")
        return os.readlink("", dir_fd=entry.fileno())


def judge_origin(parent: os.stat_result, entry: os.stat_result, peer_uid: int) -> None:
    """Raise OSError(EACCES) for a file that somebody may have linked into the directory.

    A hard link in a directory that others can write may be of any file of the machine, and counting
    its names would be a race. What the directory's owner alone can write holds the owner's own
    files or is refused; and to the peer its own file may always be given.
    """
    if controlled(parent) or entry.st_uid == peer_uid:
        return
    if not parent.st_mode & 0o022 and entry.st_uid == parent.st_uid:
        return
    raise OSError(
        EACCES,
        f"it belongs to uid {entry.st_uid} in a directory of uid {parent.st_uid} "
        f"(mode {stat.S_IMODE(parent.st_mode):04o}): a link there may be of any file",
    )
