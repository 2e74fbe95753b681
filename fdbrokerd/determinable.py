# SPDX-License-Identifier: MIT
"""Which facts of a peer's process can be determined here at all, and why not.

A rule that asks for one that never can be would deny for ever, or never allow: that is a mistake to
be told when it is loaded, not a verdict.
"""

import os
import socket
from collections.abc import Mapping

from fdbrokerd.capabilities import Capability, have
from fdbrokerd.facts import MAX_LABEL_BYTES, SO_PEERPIDFD, SO_PEERSEC
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.facts import KEYS
from fdbrokerd.statfs import CGROUP2, file_system_type

CGROUP_MOUNT = "/sys/fs/cgroup"

INITIAL_USER_NAMESPACE = 0xEFFFFFFD
"""Its inode on every machine (PROC_USER_INIT_INO in the kernel)."""

_OF_CGROUP = ("unit", "user-unit", "slice", "cgroup", "container")


def undeterminable() -> Mapping[str, str]:
    """Return the keys that cannot be determined by this process, each with the reason."""
    if os.readlink("/proc/self") != str(os.getpid()):
        return dict.fromkeys(KEYS, "/proc is that of another pid namespace: its numbers are others")
    if not _pins_peers():
        return dict.fromkeys(KEYS, "this kernel does not pin peers (SO_PEERPIDFD, Linux 6.5)")
    reasons: dict[str, str] = {}
    if reason := _no_cgroup():
        reasons.update(dict.fromkeys(_OF_CGROUP, reason))
    if not _has_labels():
        reasons["label"] = "no security module labels peers (SO_PEERSEC)"
    if reason := _no_exe():
        reasons["exe"] = reason
    return reasons


def _pins_peers() -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            OwnedFd(ours.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)).close()
        except OSError:
            return False
    return True


def _has_labels() -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            ours.getsockopt(socket.SOL_SOCKET, SO_PEERSEC, MAX_LABEL_BYTES)
        except OSError:
            return False
    return True


def _no_cgroup() -> str | None:
    """Return why the cgroup of another process is not to be seen, or None."""
    if file_system_type(CGROUP_MOUNT) != CGROUP2:
        return f"{CGROUP_MOUNT} is not the unified hierarchy (cgroups(7))"
    try:
        with open("/proc/1/cgroup", encoding="utf-8") as file:
            file.read()
    except OSError as error:
        return f"/proc/1/cgroup: {error.strerror} (ProtectProc=, hidepid)"
    return None


def _no_exe() -> str | None:
    """Return why the program of another user's process is not to be seen, or None.

    A first process that hides itself says nothing of the others.
    """
    try:
        os.readlink("/proc/1/exe")
    except OSError as error:
        if not _may_trace():
            return f"/proc/1/exe: {error.strerror} (CAP_SYS_PTRACE)"
    return None


def _may_trace() -> bool:
    """Tell whether we have CAP_SYS_PTRACE, and over every process (capabilities(7))."""
    everywhere = os.stat("/proc/self/ns/user").st_ino == INITIAL_USER_NAMESPACE
    return everywhere and have(Capability.CAP_SYS_PTRACE)
