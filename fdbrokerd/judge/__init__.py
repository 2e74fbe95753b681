# SPDX-License-Identifier: MIT
"""Judges a descriptor that somebody else sent: what it is, and whether it is safe to hold.

By an allow-list, and without asking its file system before that is known to answer: fstat(2), an
ioctl(2) or even close(2) of a FUSE file sleeps for as long as its server likes. The kernel's own
words come first (proc_pid_fd(5), proc_pid_fdinfo(5)); they are made up by no file system.

    judge      from the number to a type and a line of text, or why not
    reference  where the kernel's own things live
    mounts     what file system a mount is of
    sockets, memory, place   the sorts that need a closer look
    demands    what a store asks of what it takes: types, seals, nothing that can be written
    same_file  whether two descriptors are one open file description
"""

from fdbrokerd.judge.demands import check
from fdbrokerd.judge.judge import judge
from fdbrokerd.judge.judged import Judged, Own, Refused
from fdbrokerd.judge.same_file import bucket, order, same_file

__all__ = ["Judged", "Own", "Refused", "bucket", "check", "judge", "order", "same_file"]
