# SPDX-License-Identifier: MIT
"""What the kernel says of a peer's process, pinned by a pidfd.

Everything is read first and the pidfd is asked afterwards whether its process still lives: then
what was read was its, since a number is not used again while its process lives. What cannot be read
is unknown, and so is all of it where the process has ended.
"""

import _socket
import os
import re
import select
from contextlib import suppress
from errno import EFBIG

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.cgroup import membership
from fdbrokerd.model.facts import NO_FACTS, UNKNOWN, Fact, Facts

MAX_FILE_BYTES = 1024 * 1024
"""A process may be of 65536 groups (NGROUPS_MAX), each of up to eleven bytes in its status."""

_ONE_PID = re.compile(rb"\nNSpid:\t[1-9][0-9]*\n")

_READ = os.O_RDONLY | os.O_CLOEXEC
_FDINFO_BYTES = 4096
"""A pidfd's is a few lines; of namespaces within each other there are 32 at the most."""

SO_PEERSEC = 31
SO_PEERPIDFD = 77
"""Linux 6.5. Python has no names for these two."""

MAX_LABEL_BYTES = 1024
"""What CPython's getsockopt() takes; SELinux's contexts are below 256 bytes."""


def in_foreign_pid_namespace(pidfd: OwnedFd) -> bool:
    """Tell whether a process is of another pid namespace than we are; also one that has ended.

    fdinfo of a pidfd shows its pid in each namespace from ours down to its own (proc(5), NSpid),
    and nothing but 0 or -1 for one that is not below ours or has ended. Nobody's permission is
    needed.
    """
    file = OwnedFd(os.open(f"/proc/self/fdinfo/{pidfd.fileno()}", _READ))
    try:
        told = os.read(file.fileno(), _FDINFO_BYTES)
    finally:
        file.close()
    return _ONE_PID.search(told) is None


def facts_of(pid: int, pidfd: OwnedFd, connection: _socket.socket | None) -> tuple[Facts, bool]:
    """Return the facts of a live process, and whether it is of another pid or user namespace.

    Without a connection the label is what it is now, not what it was when it connected.
    """
    cgroup = _cgroup(pid)
    exe = _exe(pid)
    foreign = in_foreign_pid_namespace(pidfd) or _in_foreign_user_namespace(pid)
    label = _label_now(pid) if connection is None else _label(connection)
    if not alive(pidfd):
        return NO_FACTS, True
    if not isinstance(cgroup, str):
        return Facts(label=label, exe=exe), foreign
    where = membership(cgroup)
    container: Fact = where.container
    if container is None and foreign:
        container = "other"
    return (
        Facts(
            unit=where.unit,
            user_unit=where.user_unit,
            slice=where.slice,
            cgroup=cgroup,
            container=container,
            label=label,
            exe=exe,
        ),
        foreign,
    )


def ids_of(pid: int) -> tuple[int, int, tuple[int, ...]]:
    """Return the effective uid and gid of a process, and its supplementary groups (proc(5)).

    Raises OSError, ValueError.
    """
    lines = dict(
        line.split(":", 1) for line in _read(f"/proc/{pid}/status").split("\n") if ":" in line
    )
    uid, gid = int(lines["Uid"].split()[1]), int(lines["Gid"].split()[1])
    return uid, gid, tuple(map(int, lines["Groups"].split()))


def alive(pidfd: OwnedFd) -> bool:
    """Tell whether a process has not ended: a pidfd is readable from the moment it has."""
    poll = select.poll()
    poll.register(pidfd.fileno(), select.POLLIN)
    return not poll.poll(0)


def _cgroup(pid: int) -> Fact:
    """Return the path in the unified hierarchy; unknown where it is not below our own root.

    A path with `..` is of a process outside our cgroup namespace, whose root we do not see.
    """
    try:
        text = _read(f"/proc/{pid}/cgroup")
    except OSError:
        return UNKNOWN
    for line in text.split("\n"):
        if line.startswith("0::/"):
            path = line.removeprefix("0::")
            known = ".." not in path.split("/") and not path.endswith(" (deleted)")
            return path if known else UNKNOWN
    return UNKNOWN


def _exe(pid: int) -> Fact:
    """Return the program's path; unknown where its file is gone, as after an upgrade."""
    try:
        path = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return UNKNOWN
    return UNKNOWN if path.endswith(" (deleted)") else path


def _label(connection: _socket.socket) -> Fact:
    """Return the label that a security module gave the peer when it connected (SO_PEERSEC)."""
    try:
        label = connection.getsockopt(_socket.SOL_SOCKET, SO_PEERSEC, MAX_LABEL_BYTES)
    except OSError:
        return UNKNOWN
    return label.rstrip(b"\0").decode("utf-8", "backslashreplace")


def _label_now(pid: int) -> Fact:
    try:
        return _read(f"/proc/{pid}/attr/current").rstrip("\0\n")
    except OSError:  # EINVAL: no security module gives labels
        return UNKNOWN


def _in_foreign_user_namespace(pid: int) -> bool:
    """Tell whether a process is of another user namespace; also where that cannot be seen.

    Whose namespace it is needs the permission to trace it (ptrace(2)); what its ids are mapped to
    is for everyone, and differs in any namespace that gives its members other ids.
    """
    try:
        theirs = os.stat(f"/proc/{pid}/ns/user")
        return theirs.st_ino != os.stat("/proc/self/ns/user").st_ino
    except OSError:
        pass
    with suppress(OSError):
        return _read(f"/proc/{pid}/uid_map") != _read("/proc/self/uid_map")
    return True


def _read(path: str) -> str:
    """Return what a file of proc says. Raises OSError, EFBIG for one that is too long."""
    data = bytearray()
    with OwnedFd(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as file:
        while chunk := os.read(file.fileno(), MAX_FILE_BYTES):
            data += chunk
            if len(data) > MAX_FILE_BYTES:
                raise OSError(EFBIG, os.strerror(EFBIG))
    return data.decode("utf-8", "backslashreplace")
