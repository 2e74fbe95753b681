# SPDX-License-Identifier: MIT
"""What has a path: regular files, terminals, tun devices, and all that is refused."""

import os
import stat
import struct
from errno import ENOTTY
from fcntl import ioctl

from fdbrokerd.judge.fdinfo import FdInfo
from fdbrokerd.judge.judged import Judged, Refused
from fdbrokerd.judge.mounts import DEVICES, LOCAL, TERMINALS, file_system_of
from fdbrokerd.judge.shown import shown

TIOCGPTN = 0x80045430
TUNGETIFF = 0x800454D2
_INT = struct.Struct("i")
_IFREQ = struct.Struct("16sh22x")

_SLAVE_MAJORS = range(136, 144)
"""UNIX98_PTY_SLAVE_MAJOR and the seven after it (linux/major.h)."""

_DELETED = " (deleted)"
_ACCESS = {os.O_RDONLY: "read", os.O_WRONLY: "write", os.O_RDWR: "read-write"}


def judge_place(number: int, link: str, info: FdInfo, pid: int | None) -> Judged:
    """Judge what a link with a path leads to.

    A terminal's master and a tun device are known by what their drivers print, on whichever file
    system their nodes are: the driver alone answers for what is open. That it was the driver who
    printed it, the driver's own ioctl proves; elsewhere that is ENOTTY, and asks nobody.
    """
    if "tty-index" in info.more:
        return Judged("pty", f"pty master /dev/pts/{_pty_number(number)}")
    if "iff" in info.more:
        return Judged("tun", f"tun {_interface(number)}")
    system = file_system_of(info.mount, pid)
    if system is None:
        raise Refused(
            f"{shown(link)} is on a mount that is not known here: of another mount namespace, "
            "detached, or the kernel's own"
        )
    if system not in LOCAL and system not in {TERMINALS, DEVICES}:
        raise Refused(
            f"{shown(link)} is on {shown(system)}: only what is on a local file system is taken"
        )
    status = os.fstat(number)  # which these file systems answer by themselves
    if stat.S_ISREG(status.st_mode) and system in LOCAL:
        return Judged("file", _file(link, info, status))
    if system == TERMINALS and _is_slave(status):
        return Judged("pty", f"pty slave {shown(link)}")
    raise Refused(f"{shown(link)} is {_sort(status.st_mode)}, which is not taken")


def _pty_number(number: int) -> int:
    return int(_INT.unpack(_driver(number, TIOCGPTN, _INT.pack(0), "pty master"))[0])


def _interface(number: int) -> str:
    """Return the interface's name and no more: the flags are in `ip -details link`."""
    try:
        answer = _driver(number, TUNGETIFF, _IFREQ.pack(b"", 0), "tun device")
    except OSError as error:  # EBADFD
        raise Refused("a tun device without an interface: attach one (TUNSETIFF) first") from error
    return shown(os.fsdecode(_IFREQ.unpack(answer)[0].rstrip(b"\0")))


def _driver(number: int, request: int, argument: bytes, expected: str) -> bytes:
    try:
        return ioctl(number, request, argument)
    except OSError as error:
        if error.errno == ENOTTY:
            raise Refused(f"it only pretends to be a {expected}") from error
        raise


def _is_slave(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _SLAVE_MAJORS


def _file(link: str, info: FdInfo, status: os.stat_result) -> str:
    gone = status.st_nlink == 0
    path = link.removesuffix(_DELETED) if gone else link
    text = f"file {shown(path)} {_ACCESS[info.flags & os.O_ACCMODE]}"
    if info.flags & os.O_APPEND:
        text += " append"
    return text + (", deleted" if gone else "")


def _sort(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISFIFO(mode):
        return "a FIFO with a name"
    return "a device node" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "no regular file"
