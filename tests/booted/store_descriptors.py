# SPDX-License-Identifier: MIT
"""Descriptors of every type, each made new, and what tells one from any other."""

import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Callable, Mapping

FACTS = (
    *("pos", "eventfd-id", "eventfd-count", "tty-index", "iff", "Pid", "clockid"),
    "it_interval",
)
"""What fdinfo says of one open file description and of no other, as long as nobody uses it."""

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x1001  # with IFF_NO_PI
_IFREQ = struct.Struct("16sH22x")


def identity(number: int) -> dict[str, object]:
    """Return what tells an open file description from any other."""
    status = os.fstat(number)
    facts: dict[str, object] = {"inode": status.st_ino, "device": status.st_rdev}
    with open(f"/proc/self/fdinfo/{number}") as info:
        lines = dict(line.rstrip("\n").split(":", 1) for line in info if ":" in line)
    facts |= {key: lines[key].strip() for key in FACTS if key in lines}
    facts["flags"] = int(lines["flags"], 8) & ~os.O_CLOEXEC
    if stat.S_ISSOCK(status.st_mode):
        with socket.socket(fileno=os.dup(number)) as sock:  # noqa: TID251
            facts["address"] = repr(sock.getsockname())
            facts["listens"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return facts


# Descriptors, each made new; `number` makes them differ in what can be seen.


def _memory(number: int) -> dict[str, int]:
    memory = os.memfd_create(f"memory-{number}")
    os.write(memory, bytes(number % 100 + 1))
    return {"memory": memory}


def _file(number: int) -> dict[str, int]:
    path = f"/tmp/store-{os.getpid()}-{number}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    os.write(file, bytes(number % 100 + 1))
    if number % 2:
        os.unlink(path)
    return {"file": file}


def _terminal(number: int) -> dict[str, int]:  # noqa: ARG001
    master, slave = os.openpty()
    return {"master": master, "slave": slave}


def _master(number: int) -> dict[str, int]:  # noqa: ARG001
    master, slave = os.openpty()
    os.close(slave)
    return {"master": master}


def _listener(number: int) -> dict[str, int]:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(f"\0store-{os.getpid()}-{number}")
    sock.listen()
    return {"socket": sock.detach()}


def _pair(number: int) -> dict[str, int]:  # noqa: ARG001
    one, other = socket.socketpair()
    return {"one": one.detach(), "other": other.detach()}


def _tcp(number: int) -> dict[str, int]:  # noqa: ARG001
    sock = socket.socket(socket.AF_INET)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return {"socket": sock.detach()}


def _udp(number: int) -> dict[str, int]:  # noqa: ARG001
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return {"socket": sock.detach()}


def _eventfd(number: int) -> dict[str, int]:
    return {"event": os.eventfd(number)}


def _timer(number: int) -> dict[str, int]:
    timer: int = os.timerfd_create(time.CLOCK_BOOTTIME)  # type: ignore[attr-defined]
    os.timerfd_settime(timer, initial=86400.0, interval=number + 1.0)  # type: ignore[attr-defined]
    return {"timer": timer}


def _process(number: int) -> dict[str, int]:
    return {"process": os.pidfd_open(os.getpid() if number % 2 else 1)}


def _pipe(number: int) -> dict[str, int]:  # noqa: ARG001
    read, write = os.pipe()
    return {"read": read, "write": write}


def _tun(number: int) -> dict[str, int]:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, _IFREQ.pack(f"store{number}".encode(), _IFF_TUN))
    return {"tun": tun}


MAKERS: Mapping[str, Callable[[int], dict[str, int]]] = {
    "memory": _memory,
    "file": _file,
    "terminal": _terminal,
    "master": _master,
    "listener": _listener,
    "pair": _pair,
    "tcp": _tcp,
    "udp": _udp,
    "eventfd": _eventfd,
    "process": _process,
    "pipe": _pipe,
    "timer": _timer,
    "tun": _tun,
}


def kinds() -> list[str]:
    """Return what this process can make: Python before 3.13 no timer, who is not root no tun."""
    missing = set() if hasattr(os, "timerfd_create") else {"timer"}
    missing |= set() if os.geteuid() == 0 and os.path.exists("/dev/net/tun") else {"tun"}
    return [kind for kind in MAKERS if kind not in missing]
