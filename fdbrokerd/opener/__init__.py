# SPDX-License-Identifier: MIT
"""Does what may take long in children with a deadline: opens, receives, closes, looks up names.

A file system that hangs leaves whoever waits for it in the kernel, immune to every signal; a thread
that does so keeps its whole process from ending. So it is a child's thread that waits, the child is
given up at its deadline, and another takes its place.

    zygote   forked first of all; forks children and hands over one end of a socket pair for each
    job, intake, answer, packet   what a child is told to do, what it says, and how that travels
    child    does one job at a time and passes the descriptors back
    deposit  the child's side of an intake: receives, judges
    pool     the daemon's side: who waits for which child, until when
    closer   has descriptors closed by whom it may block
"""

from fdbrokerd.opener.intake import Intake, Received
from fdbrokerd.opener.job import Job
from fdbrokerd.opener.pool import Pool
from fdbrokerd.opener.zygote import Zygote

__all__ = ["Intake", "Job", "Pool", "Received", "Zygote"]
