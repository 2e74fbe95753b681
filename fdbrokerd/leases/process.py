# SPDX-License-Identifier: MIT
"""The processes that hold leases: one pidfd for each, watched until it ends."""

import os
import signal
from collections.abc import Callable

from fdbrokerd.fd import OwnedFd

Watch = Callable[[int, Callable[[], None]], None]
Unwatch = Callable[[int], object]
ProcessOf = Callable[[], OwnedFd]

Identity = tuple[int, int]
"""A pid and the inode of its pidfd, which Linux 6.9 and later never use twice."""


def identity_of(pid: int, pidfd: OwnedFd) -> Identity:
    """Return what a process is counted under."""
    return (pid, os.fstat(pidfd.fileno()).st_ino)


class Process:
    """A watched process, and how many leases and admissions need it."""

    __slots__ = ("identity", "pidfd", "users")

    def __init__(self, identity: Identity, pidfd: OwnedFd) -> None:
        self.identity = identity
        self.pidfd = pidfd
        self.users = 0

    @property
    def alive(self) -> bool:
        """Tell whether it lives: the loop may not have told us of its end yet."""
        try:
            signal.pidfd_send_signal(self.pidfd.fileno(), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # alive, and not ours to signal
        return True


class Processes:
    """The watched processes. `watch` calls back when a borrowed descriptor becomes readable."""

    def __init__(self, watch: Watch, unwatch: Unwatch, ended: Callable[[Process], None]) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._ended = ended
        self._known: dict[Identity, Process] = {}

    def use(self, pid: int, process_of: ProcessOf) -> Process:
        """Return the process, counted as used once more. Raises OSError where it is gone."""
        pidfd = process_of()
        identity = identity_of(pid, pidfd)
        process = self._known.get(identity)
        if process is not None and not process.alive:
            self._end(process)
            process = None
        if process is None:
            process = self._known[identity] = Process(identity, pidfd)
            self._watch(pidfd.fileno(), lambda: self._end(self._known[identity]))
        else:
            pidfd.close()
        process.users += 1
        return process

    def leave(self, process: Process) -> None:
        """Count one user less; without any it is watched no more."""
        process.users -= 1
        if not process.users and not process.pidfd.closed:
            self._forget(process)

    def _end(self, process: Process) -> None:
        self._forget(process)
        self._ended(process)

    def _forget(self, process: Process) -> None:
        del self._known[process.identity]
        self._unwatch(process.pidfd.fileno())  # before the close: the loop would spin on the number
        process.pidfd.close()

    def close(self) -> None:
        """Watch none any more."""
        for process in list(self._known.values()):
            self._forget(process)
