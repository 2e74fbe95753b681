# SPDX-License-Identifier: MIT
"""What is on the other side of a relay: whoever opens the slave, or a command on it.

A master whose slave nobody has open reads EIO and polls POLLHUP at once, which then says that the
last one closed it. So the slave is held here until somebody else has it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import termios

from fdbrokerd.cli.command import become
from fdbrokerd.errors import EX_CANNOT_RUN, Error
from fdbrokerd.fd import OwnedFd

_IN_OPEN = 0x20


class Awaited:
    """A slave held until somebody else opens it, which inotify(7) tells; owns the slave.

    Where inotify does not serve (no /proc, no ctypes, its limits, a slave that may not be read) it
    is held until `release`.
    """

    def __init__(self, slave: OwnedFd) -> None:
        self._slave = slave
        self._watch = _watch_opens(slave.fileno())

    def fileno(self) -> int:
        """Return the number that becomes readable when it is opened, or -1."""
        return -1 if self._watch is None else self._watch.fileno()

    def happened(self) -> None:
        """Let go: somebody else has it open, the kernel tells after the fact."""
        self.release()

    def release(self) -> None:
        """Close the slave; a second time does nothing."""
        self._slave.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def ended(self) -> bool:
        """Tell that there is no process here whose end could be waited for."""
        return False


class NoSlave:
    """A slave that others have: of a master that they put, there is none to hold here."""

    def fileno(self) -> int:
        """Return that there is nothing to wait for."""
        return -1

    def happened(self) -> None:
        """Do nothing: it never does."""

    def release(self) -> None:
        """Do nothing: there is none."""

    def ended(self) -> bool:
        """Tell that there is no process here whose end could be waited for."""
        return False


def _watch_opens(slave: int) -> OwnedFd | None:
    """Return an inotify descriptor for IN_OPEN of the very inode.

    By /proc/self/fd, which leads there whatever is mounted on /dev/pts here: a path could be the
    slave of another pty in another mount namespace.
    """
    try:
        import ctypes  # noqa: PLC0415 (12 ms that only this path needs)
    except ImportError:
        return None
    libc = ctypes.CDLL(None)
    number = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if number < 0:
        return None
    watch = OwnedFd(number)
    if libc.inotify_add_watch(number, f"/proc/self/fd/{slave}".encode(), _IN_OPEN) < 0:
        watch.close()
        return None
    return watch


class Session:
    """A command with the slave as its controlling terminal, in a session of its own.

    The slave stays open here until the command ends: a command may close all of its own and open
    /dev/tty later, which is no hang-up.
    """

    def __init__(
        self, slave: OwnedFd, path: str, arguments: list[str], environment: dict[str, str]
    ) -> None:
        """Start it; owns the slave from here on."""
        self._slave = slave
        self._pid = os.fork()
        if self._pid == 0:
            _become_leader(slave.fileno(), path, arguments, environment)
        self._pidfd = OwnedFd(os.pidfd_open(self._pid))
        self.exit_status: int | None = None

    def fileno(self) -> int:
        """Return the number that becomes readable when the command ends, or -1."""
        return -1 if self._pidfd.closed else self._pidfd.fileno()

    def happened(self) -> None:
        """Take the command's exit status; 128 and its number for a signal, as shells have it."""
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self.exit_status = code if code >= 0 else 128 - code
        self.forget()

    def release(self) -> None:
        """Do nothing: the slave stays until the command ends."""

    def ended(self) -> bool:
        """Tell whether the command has ended."""
        return self.exit_status is not None

    def forget(self) -> None:
        """Close what is held; a command that still runs learns it by its terminal's hang-up."""
        self._slave.close()
        self._pidfd.close()


def _become_leader(
    slave: int, path: str, arguments: list[str], environment: dict[str, str]
) -> None:
    """Make the slave the controlling terminal and standard streams, and exec; returns never."""
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        become(path, arguments, environment)
    except Error as error:
        os.write(2, f"fdbroker-get: {error}\n".encode())
        os._exit(error.exit_status)
    finally:
        os._exit(EX_CANNOT_RUN)
