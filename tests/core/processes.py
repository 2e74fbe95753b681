# SPDX-License-Identifier: MIT
"""Work in processes of its own: other uids, other limits, other mounts."""

import ctypes
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD_CLOEXEC, fcntl
from time import monotonic, sleep

PATIENCE = 20.0
"""Seconds; waited for in full only where a test fails."""

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x44000
MS_BIND = 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def become(uid: int, groups: tuple[int, ...] = ()) -> None:
    """Become another user for good, with a group of the same number."""
    os.setgroups(groups)
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def start(work: Callable[[], object], uid: int | None = None) -> tuple[int, int]:
    """Fork and do the work; return the pid, and a descriptor that says what was raised."""
    said, says = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(said)
            says = fcntl(says, F_DUPFD_CLOEXEC, 200)  # out of the way of work with low numbers
            if uid is not None:
                become(uid)
            work()
            status = 0
        except BaseException:  # noqa: BLE001 (raised again where the test sees it)
            os.write(says, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(status)
    os.close(says)
    return pid, said


def finish(pid: int, said: int) -> None:
    """Wait for what `start` began; fail as it failed."""
    with os.fdopen(said, "rb") as stream:
        try:
            text = stream.read().decode()
        except BaseException:  # the test's time is up
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
    _, status = os.waitpid(pid, 0)
    assert status == 0, text or f"wait status {status}"


def in_child(work: Callable[[], object], uid: int | None = None) -> None:
    """Do the work in a fork, perhaps as another user, and fail as it fails."""
    finish(*start(work, uid))


@contextmanager
def other_process(work: Callable[[], object], uid: int | None = None) -> Iterator[int]:
    """Do the work beside the test; at the end wait for it and fail as it failed."""
    pid, said = start(work, uid)
    try:
        yield pid
    finally:
        finish(pid, said)


@contextmanager
def sleeper(uid: int | None = None) -> Iterator[int]:
    """Run a process that ends when the test says so; yield its pid, reaped afterwards."""
    wait, go = os.pipe2(os.O_CLOEXEC)

    def work() -> None:
        os.close(go)
        os.read(wait, 1)

    pid, said = start(work, uid)
    os.close(wait)
    try:
        yield pid
    finally:
        os.close(go)
        finish(pid, said)


def readable(descriptor: int, seconds: float = PATIENCE) -> bool:
    """Wait until a descriptor is readable; tell whether it became so."""
    return bool(select.select([descriptor], [], [], seconds)[0])


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, "it never became so"
        sleep(0.001)


def open_numbers() -> set[int]:
    """Return this process's descriptors."""
    names = os.listdir("/proc/self/fd")
    return {int(name) for name in names if os.path.exists(f"/proc/self/fd/{name}")}


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Leave room for so many more descriptors, and give all of it back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(open_numbers())
    fillers: list[int] = []
    while not fillers or fillers[-1] <= highest:
        fillers.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for filler in fillers:
            os.close(filler)


def own_mounts() -> None:
    """Take this process into a mount namespace of its own. In a fork only."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "", MS_REC_PRIVATE)


def mount(what: str, where: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system."""
    arguments = (what.encode(), where.encode(), kind.encode() or None, flags, options.encode())
    if _libc.mount(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"mount {kind} at {where}")
