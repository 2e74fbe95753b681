# SPDX-License-Identifier: MIT
"""The process that forks the children.

It is forked before there is a loop, a listener or a connection, so its children have none of them:
forking under a running loop would share its wake-up descriptor, and a child that hangs while it
holds a copy of a listener keeps that alive. One packet with one byte asks for a child; the answer
is the child's pid with its socket and its pidfd. The zygote and the children end when the daemon
does.
"""

import gc
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from errno import ETOOMANYREFS
from functools import partial
from typing import NoReturn

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd
from fdbrokerd.prctl import end_with, set_name

_PID = struct.Struct("i")
_TWO_DESCRIPTORS = socket.CMSG_SPACE(2 * _PID.size)

Serve = Callable[[socket.socket], None]


class Child:
    """A child and the socket to it, both owned here."""

    __slots__ = ("channel", "pid", "pidfd")

    def __init__(self, pid: int, channel: socket.socket, pidfd: OwnedFd) -> None:
        self.pid = pid
        self.channel = channel
        self.pidfd = pidfd

    def kill(self) -> None:
        """Kill it. One that hangs in the kernel ends when that lets it go."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd.fileno(), signal.SIGKILL)

    def close(self) -> None:
        """Close what we have of it; it ends by itself when it reads the end of the stream."""
        self.channel.close()
        self.pidfd.close()


class Zygote:
    """The daemon's side of the zygote."""

    def __init__(self, serve: Serve) -> None:
        """Fork it. `serve` is what each child does with its socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(theirs, b"fdbrokerd-zygote", parent, partial(_fork_for, theirs, serve))
        theirs.close()
        self._channel = ours
        self._pidfd = OwnedFd(os.pidfd_open(pid))

    def child(self) -> Child:
        """Return a new child. Raises Error where it cannot be made."""
        try:
            self._channel.send(b"c")
            pid, ancillary, _, _ = self._channel.recvmsg(
                _PID.size, _TWO_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise Error(f"no child can be made: {error.strerror}") from error
        numbers = [
            int.from_bytes(body[at : at + 4], sys.byteorder)
            for level, kind, body in ancillary
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS
            for at in range(0, len(body), 4)
        ]
        if len(numbers) != 2:
            for number in numbers:
                OwnedFd(number).close()
            raise Error("no child can be made: the zygote has ended, or cannot fork")
        channel = socket.socket(fileno=numbers[0])
        channel.setblocking(False)
        return Child(_PID.unpack(pid)[0], channel, OwnedFd(numbers[1]))

    def fileno(self) -> int:
        """Return what becomes readable when it has ended, and then there are no more children.

        A pidfd: the channel is waited for in `child`, and a loop would make it non-blocking.
        """
        return self._pidfd.fileno()

    def close(self) -> None:
        """Let it end."""
        self._channel.close()
        self._pidfd.close()


def _live(keep: socket.socket, name: bytes, parent: int, work: Callable[[], object]) -> NoReturn:
    """Be a process of its own for the rest of its life.

    Nothing that is raised may leave: the frames above are the daemon's, and a fork that unwound
    them would clean up in its name.
    """
    status = 1
    try:
        _become(keep, name, parent)
        work()
        status = 0
    except ConnectionError:
        pass  # the daemon was killed: nobody is left to tell, and nothing was wrong here
    except BaseException:  # noqa: BLE001 (see above)
        traceback.print_exc()
    finally:
        os._exit(status)


def _become(keep: socket.socket, name: bytes, parent: int) -> None:
    """Make this fork a process of its own: one descriptor, the standard ones, and no handler."""
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)  # for the daemon, which tells us by closing the socket
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    signal.set_wakeup_fd(-1)
    set_name(name)
    end_with(parent)
    gc.freeze()  # no finalizer of an inherited object may close a number that is used again
    number = keep.fileno()
    os.closerange(3, number)
    os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))


def _fork_for(channel: socket.socket, serve: Serve) -> None:
    """Fork a child for each packet, until the daemon is gone."""
    while channel.recv(1):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            _live(theirs, b"fdbrokerd-open", zygote, partial(serve, theirs))
        theirs.close()
        with ours:
            _hand_over(channel, pid, ours)


def _hand_over(channel: socket.socket, pid: int, ours: socket.socket) -> None:
    if pid < 0:
        channel.send(_PID.pack(pid))
        return
    try:
        process = OwnedFd(os.pidfd_open(pid))
    except OSError:  # it has ended already, and nobody keeps it for us
        channel.send(_PID.pack(-1))
        return
    with process as pidfd:
        numbers = struct.pack("2i", ours.fileno(), pidfd.fileno())
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)
        try:
            channel.sendmsg([_PID.pack(pid)], [rights])
        except OSError as error:
            # Peers that do not read what they were given have filled what our user may have in
            # flight (unix(7)). The child reads the end of its stream; the next one may do better.
            if error.errno != ETOOMANYREFS:
                raise
            channel.send(_PID.pack(-1))
