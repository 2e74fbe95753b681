# SPDX-License-Identifier: MIT
"""Which file systems answer without asking anybody: those that cannot hang."""

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


def is_local(path: str) -> bool:
    """Tell whether a directory is on a local file system; False where it is missing."""
    return file_system_type(path) in LOCAL
