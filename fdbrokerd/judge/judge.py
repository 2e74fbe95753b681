# SPDX-License-Identifier: MIT
"""From a descriptor to what it is."""

import os
from errno import ENAMETOOLONG

from fdbrokerd.judge.fdinfo import FdInfo, fdinfo
from fdbrokerd.judge.judged import Judged, Own, Refused
from fdbrokerd.judge.memory import PREFIX, judge_memory
from fdbrokerd.judge.place import judge_place
from fdbrokerd.judge.reference import references
from fdbrokerd.judge.shown import shown
from fdbrokerd.judge.sockets import judge_socket

_PIPE_ENDS = {os.O_RDONLY: "read end", os.O_WRONLY: "write end", os.O_RDWR: "both ends"}


def judge(number: int, own: Own, pid: int | None = None) -> Judged:
    """Judge a borrowed descriptor; `pid` is who sent it, whose mounts may be looked at too.

    Raises Refused for all that is not known to be safe to hold and to close.
    """
    link = _link(number)
    if link.startswith("/"):
        return _with_path(number, link, _info(number), pid)
    return _without_path(number, link, own)


def _link(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            raise Refused("its path is too long to be read (ENAMETOOLONG)") from error
        raise


def _info(number: int) -> FdInfo:
    info = fdinfo(number)
    if info.path_only:
        raise Refused("opened with O_PATH: a place, with nothing open there")
    return info


def _with_path(number: int, link: str, info: FdInfo, pid: int | None) -> Judged:
    if link.startswith(PREFIX) and info.mount in references().memory:
        return judge_memory(number, link, info)
    return judge_place(number, link, info, pid)


def _without_path(number: int, link: str, own: Own) -> Judged:
    """Judge what the kernel names without a path; no file has such a link.

    The link is judged before fdinfo is read: inotify prints handles of all files that it watches.
    """
    known = references()
    mount = {
        "pipe": known.pipe,
        "socket": known.socket,
        "anon_inode:[eventfd]": known.anonymous,
        "anon_inode:[timerfd]": known.anonymous,
        "anon_inode:[pidfd]": known.process,
        "pidfd": known.process,  # Linux 6.9 to 6.12
    }
    name = link if link.startswith("anon_inode:") else link.partition(":[")[0]
    if name not in mount:
        raise Refused(f"{shown(link)} is of no type that is taken")
    info = _info(number)
    if info.mount != mount[name]:
        raise Refused(f"{shown(link)} is not the kernel's own")
    if name == "pipe":
        return Judged("pipe", f"pipe, {_PIPE_ENDS[info.flags & os.O_ACCMODE]}")
    if name == "socket":
        return judge_socket(number, own)
    if name.endswith("pidfd]") or name == "pidfd":
        return Judged("pidfd", f"pidfd of {_process(info.more.get('Pid', ''))}")
    kind = name.removeprefix("anon_inode:[").removesuffix("]")
    return Judged(kind, kind)


def _process(pid: str) -> str:
    return {"-1": "an ended process", "0": "a process of another pid namespace"}.get(pid, pid)
