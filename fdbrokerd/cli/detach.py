# SPDX-License-Identifier: MIT
"""Detaching from the terminal, for systems whose service manager does not watch its services."""

import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from fdbrokerd.errors import EX_OSERR, Error
from fdbrokerd.fd import OwnedFd

UMASK = 0o077
"""The daemon's own files are nobody else's; what it makes for peers gets its mode by name."""


class AlreadyRunning(Error):
    """Another process holds the pid file."""

    exit_status = EX_OSERR


class PidFile:
    """A pid file that is locked, so that a stale one is told from a live one (flock(2)).

    The lock belongs to the open file: it goes along through both forks of detaching, and ends with
    the last process that has it.
    """

    def __init__(self, path: str) -> None:
        """Lock it. Raises AlreadyRunning."""
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = OwnedFd(os.open(path, flags, 0o644))
        except OSError as error:
            raise AlreadyRunning(f"cannot write the pid file {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise AlreadyRunning(f"{path} is locked: another fdbrokerd runs") from error

    def fileno(self) -> int:
        """Return its descriptor, borrowed."""
        return self._file.fileno()

    def __enter__(self) -> Self:
        """Write the number of this process into it."""
        os.ftruncate(self._file.fileno(), 0)
        os.pwrite(self._file.fileno(), f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it, while it is locked."""
        os.unlink(self._path)
        self._file.close()


@contextmanager
def detached(pid_file: str, keep: Iterable[int]) -> Iterator[None]:
    """Go on in the background with these descriptors and no other. Raises AlreadyRunning.

    Every choice of DaemonContext is made here: its own guesses detach under `systemd --user` and
    containers, its umask is 0, and its SIGTERM handler raises SystemExit anywhere.
    """
    from daemon import DaemonContext  # noqa: PLC0415 (where a service manager watches, none does)

    locked = PidFile(pid_file)
    context = DaemonContext(
        detach_process=True,
        umask=UMASK,
        working_directory="/",
        files_preserve=[*keep, locked.fileno()],
        pidfile=locked,
        signal_map={signal.SIGTSTP: None, signal.SIGTTIN: None, signal.SIGTTOU: None},
    )
    with context:
        yield
