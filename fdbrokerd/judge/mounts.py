# SPDX-License-Identifier: MIT
"""What file system a mount is of, asked without touching it."""

import re
from collections.abc import Mapping
from contextlib import suppress

LOCAL = frozenset(
    {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs",
        "tmpfs", "ramfs", "squashfs", "erofs", "vfat",
    }
)  # fmt: skip
"""Those that answer by themselves. A list of what is known: FUSE, NFS, CIFS, 9p and autofs wait for
others, and an overlay may lie on any of them."""

TERMINALS = "devpts"
DEVICES = "devtmpfs"

OWN_TABLE = "/proc/self/mountinfo"

_ESCAPED = re.compile(r"\\([0-7]{3})")


def file_system_of(mount: int, pid: int | None) -> str | None:
    """Return the type of file system of a mount by its id, or None where it is not found.

    Ids are the machine's, and what is open holds its mount, so its id is nobody else's meanwhile:
    whose table has it is the same. Ours comes first; a service with ProtectSystem= has copies of
    all mounts, with ids of their own, so pid 1's is next, and then that of who sent it.
    """
    for process in ("self", "1", *([] if pid is None else [str(pid)])):
        with suppress(OSError):  # it has ended, or may not be looked at
            found = _look(process, b"%d " % mount)
            if found is not None:
                return found
    return None


def _look(process: str, start: bytes) -> str | None:
    """Look for a line of mountinfo. Blanks and newlines in its paths are escaped (proc(5))."""
    with open(f"/proc/{process}/mountinfo", "rb") as file:
        for line in file:
            if line.startswith(start):
                return line.partition(b" - ")[2].split(b" ")[0].decode("utf-8", "replace")
    return None


def by_place() -> Mapping[str, str]:
    """Return what type of file system is mounted where, in our mount namespace: the topmost one."""
    found = {}
    with open(OWN_TABLE, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            place = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), before.split(" ")[4])
            found[place] = after.split(" ")[0]
    return found
