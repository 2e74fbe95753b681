# SPDX-License-Identifier: MIT
"""Descriptors of sorts that Python cannot make, by the system calls' numbers on x86-64."""

import ctypes
import os
import platform
import socket
import struct
from errno import ENOSYS, EPERM

from tests.needs import cannot

IPPROTO_MPTCP = 262

_libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    """Make a system call; skip the test where this machine has none or refuses it."""
    if platform.machine() != "x86_64":
        cannot("the system calls' numbers are known for x86-64")
    values = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        error = ctypes.get_errno()
        if error in {ENOSYS, EPERM}:
            cannot(f"system call {number}: {os.strerror(error)}")
        raise OSError(error, f"system call {number}")
    return result


def epoll() -> int:
    return call(291, os.O_CLOEXEC)


def signalfd() -> int:
    return call(289, -1, ctypes.byref(ctypes.c_uint64(0)), 8, 0)


def timerfd() -> int:
    return call(283, 1, 0)


def inotify() -> int:
    return call(294, 0)


def fanotify() -> int:
    return call(300, 0, 0)


def userfaultfd() -> int:
    return call(323, 1)


def io_uring() -> int:
    return call(425, 4, ctypes.create_string_buffer(120))


def bpf_map() -> int:
    attributes = ctypes.create_string_buffer(struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(108))
    return call(321, 0, attributes, 72)


def perf_event() -> int:
    attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))
    return call(298, attributes, 0, -1, -1, 0)


def secret_memory() -> int:
    return call(447, 0)


def landlock() -> int:
    return call(444, ctypes.create_string_buffer(struct.pack("Q", 1)), 8, 0)


def message_queue() -> int:
    number = call(240, b"fdbrokerd-test", os.O_CREAT | os.O_RDWR, 0o600, None)
    call(241, b"fdbrokerd-test")
    return number


def huge_memory() -> int:
    try:
        return os.memfd_create("huge", os.MFD_CLOEXEC | os.MFD_HUGETLB)
    except OSError:
        cannot("no huge pages here")


def forged_memory() -> int:
    """Return a file on a detached tmpfs whose link reads like that of a memfd."""
    context = call(430, b"tmpfs", 1)
    call(431, context, 6, None, None, 0)
    mounted = call(432, context, 1, 0)
    os.close(context)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    number = os.open("memfd:x (deleted)", flags, 0o600, dir_fd=mounted)
    os.close(mounted)
    return number


def own_network() -> None:
    """Take this process into a network namespace of its own. In a fork only."""
    if _libc.unshare(0x40000000) != 0:
        cannot("no network namespace of its own")


def lingering(seconds: int) -> tuple[socket.socket, list[socket.socket]]:
    """Return a TCP socket with unsent data that close(2) waits for, and what keeps it so."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sender = socket.create_connection(listener.getsockname())
    receiver, _ = listener.accept()
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        pass
    sender.setblocking(True)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return sender, [listener, receiver]
