# SPDX-License-Identifier: MIT
"""A child that acts as a peer, for what the kernel marks with its maker.

SO_PEERCRED of a socketpair is whoever made it: made by root, its holder would look like root to a
third. Only the effective ids are changed: they are what the kernel marks it with, while the real
and saved ones keep the child out of that user's reach (kill(2), ptrace(2)) and within the daemon's,
which may lack CAP_KILL. Capabilities are dropped by hand: the kernel does so only for who was root
(capabilities(7)), and the daemon may have a user of its own. What is made also has the child's pid,
which says `the broker`: the child ends with the job, and the pid then says nothing any more.
"""

import os

from fdbrokerd.capabilities import drop_all
from fdbrokerd.model.peer import Peer
from fdbrokerd.prctl import end_with


class _Self:
    """What is known of the process that this runs in."""

    other = False


def become(peer: Peer) -> None:
    """Act as the peer from here on, with its groups; in a child only.

    Nothing is done where this is the peer's user already, but for root, whose groups may be others.
    Raises OSError (EPERM) without CAP_SETUID and CAP_SETGID, or where capset(2) is filtered.
    """
    if peer.uid == os.geteuid() and (peer.uid != 0 or _has_groups(peer)):
        return
    _Self.other = True  # even if it fails half-way
    parent = os.getppid()
    os.setgroups(sorted(peer.groups))
    os.setresgid(-1, peer.gid, -1)
    os.setresuid(-1, peer.uid, -1)
    drop_all()
    end_with(parent)


def is_other() -> bool:
    """Tell whether this process has become somebody else, and is of no use for other jobs."""
    return _Self.other


def _has_groups(peer: Peer) -> bool:
    return os.getegid() == peer.gid and peer.groups <= {os.getegid(), *os.getgroups()}
