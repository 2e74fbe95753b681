# SPDX-License-Identifier: MIT
"""Which file systems answer without asking anybody: those that cannot hang."""

import os
from collections import deque

from fdbrokerd.judge import mounts
from fdbrokerd.statfs import file_system_type

LOCAL = frozenset(
    {
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # xfs
        0x9123683E,  # btrfs
        0xF2F52010,  # f2fs
        0x2FC12FC1,  # zfs
        0xCA451A4E,  # bcachefs
        0x01021994,  # tmpfs
        0x858458F6,  # ramfs
        0x73717368,  # squashfs
        0xE0F5E1E2,  # erofs
        0x4D44,  # vfat
        0x794C7630,  # overlayfs: in our mount namespace only root has mounted it
    }
)
"""statfs(2) f_type. A list of what is known: FUSE, NFS, CIFS, 9p and autofs can wait for ever, and
what is missing here is only opened in a child, which costs some time."""


_ANSWERING = mounts.LOCAL | {"overlay", "proc", "sysfs", "devtmpfs", "devpts", "cgroup2"}
"""By their names: here a name is looked up without asking anybody."""

_MAX_LINKS = 40
"""What the kernel follows in one path (path_resolution(7))."""


def is_local(path: str) -> bool:
    """Tell whether a directory is on a local file system; False where it is missing.

    Waits for one that is not: ask `may_hang` before.
    """
    return file_system_type(path) in LOCAL


def may_hang(path: str) -> bool:
    """Tell whether whoever looks an absolute path up asks a file system that may not answer.

    This asks none: mounts are listed in proc, and a component is looked at only where all before it
    answer by themselves. What is mounted while it looks is not seen.
    """
    systems = mounts.by_place()
    here, rest, links = "/", deque(path.split("/")), 0
    while systems.get(here) in {None, *_ANSWERING}:
        if not rest:
            return False
        name = rest.popleft()
        there = os.path.normpath(os.path.join(here, name))
        if name in {"", "."} or there == here:
            continue
        if systems.get(there) in {None, *_ANSWERING}:
            target = _target(there)
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    return False  # which is an error, and no wait
                rest.extendleft(reversed(target.split("/")))
                there = "/" if target.startswith("/") else here
        here = there
    return True


def _target(path: str) -> str | None:
    """Return where a link leads; None for what is none, or missing."""
    try:
        return os.readlink(path)
    except OSError:
        return None
