# SPDX-License-Identifier: MIT
"""Being somebody else: for a moment in this process, or for good in a child."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

ROOT_UID = 0


@dataclass(frozen=True, slots=True)
class User:
    """Real and effective ids, and supplementary groups. `real` None: the same as effective."""

    uid: int = ROOT_UID
    gid: int | None = None
    groups: Sequence[int] = ()
    real: int | None = None

    def become(self, saved: int | None = None) -> None:
        """Be this user; with a saved id of root's there is a way back."""
        gid = self.uid if self.gid is None else self.gid
        real = self.uid if self.real is None else self.real
        os.setgroups(self.groups)
        os.setresgid(gid, gid, gid if saved is None else saved)
        os.setresuid(real, self.uid, self.uid if saved is None else saved)


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Be another user for a moment, as far as the kernel tells of it on sockets.

    A child that is no longer root is who it is.
    """
    if user == User() or os.getuid() != ROOT_UID:
        yield
        return
    groups = os.getgroups()
    user.become(saved=ROOT_UID)
    try:
        yield
    finally:
        os.setresuid(ROOT_UID, ROOT_UID, ROOT_UID)
        os.setresgid(ROOT_UID, ROOT_UID, ROOT_UID)
        os.setgroups(groups)


def _fork(act: Callable[[], object], user: User) -> int:
    """Run a function in a forked child; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        user.become()
        act()
        status = 0
    except BaseException:  # noqa: BLE001 (nothing may come back into pytest from here)
        traceback.print_exc()
    finally:
        os._exit(status)


@contextmanager
def child(act: Callable[[], object], user: User) -> Iterator[int]:
    """Run a function in a forked child while the block runs; yield its pid."""
    pid = _fork(act, user)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)  # a zombie takes it, too
        os.waitpid(pid, 0)


def in_child(act: Callable[[], object], user: User) -> int:
    """Run a function in a forked child to its end; return its exit status, 0 for a good one."""
    return os.waitstatus_to_exitcode(os.waitpid(_fork(act, user), 0)[1])
