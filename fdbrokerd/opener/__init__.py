# SPDX-License-Identifier: MIT
"""Opens what may take long, in children with a deadline.

A file system that hangs leaves whoever waits for it in the kernel, immune to every signal; a thread
that does so keeps its whole process from ending. So it is a child's thread that waits, the child is
given up at its deadline, and another takes its place.

    zygote   forked first of all; forks children and hands over one end of a socket pair for each
    child    opens one thing at a time and passes the descriptors back
    pool     the daemon's side: who waits for which child, until when
"""

from fdbrokerd.opener.pool import Pool
from fdbrokerd.opener.zygote import Zygote

__all__ = ["Pool", "Zygote"]
