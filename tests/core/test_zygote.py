# SPDX-License-Identifier: MIT
"""The process that forks the children: what they hold, what ends them, and what never leaks out."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd
from fdbrokerd.opener import zygote as module
from fdbrokerd.opener.zygote import Child, Zygote

from .processes import in_child, readable, start, until


def children() -> set[int]:
    """Return the processes that this one has forked."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def echo(channel: socket.socket) -> None:
    while data := channel.recv(100):
        channel.send(data)


def fault(channel: socket.socket) -> None:
    channel.recv(100)
    raise ValueError("a fault of a kind")


@contextmanager
def a_zygote(serve: Callable[[socket.socket], None] = echo) -> Iterator[tuple[Zygote, int]]:
    """Fork one; yield it and its pid, and see that it ends."""
    before = children()
    zygote = Zygote(serve)
    (pid,) = children() - before
    with OwnedFd(os.pidfd_open(pid)) as pidfd:
        try:
            yield zygote, pid
        finally:
            zygote.close()
        assert readable(pidfd.fileno()), "it did not end"
    os.waitpid(pid, 0)


def ended(child: Child) -> bool:
    return readable(child.pidfd.fileno())


def held(pid: int) -> set[int]:
    """Return a process's descriptors but the standard ones."""
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")} - {0, 1, 2}


def alone(pid: int) -> bool:
    return len(held(pid)) == 1


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_a_child_serves_and_ends_with_its_channel() -> None:
    with a_zygote() as (zygote, _):
        child = zygote.child()
        child.channel.send(b"x")
        assert readable(child.channel.fileno())
        assert child.channel.recv(9) == b"x"
        with OwnedFd.copy_of(child.pidfd.fileno()) as pidfd:
            child.close()
            assert readable(pidfd.fileno())
        assert not os.path.exists(f"/proc/{child.pid}") or state(child.pid) != "Z"


def test_a_child_holds_nothing_of_ours() -> None:
    with open("/dev/null") as ours, socket.socket() as listener, a_zygote() as (zygote, pid):
        assert ours.fileno() != listener.fileno()
        child, other = zygote.child(), zygote.child()
        child.channel.send(b"x")
        assert readable(child.channel.fileno())  # it has become itself
        for process in (child.pid, pid):
            until(partial(alone, process))  # the zygote may lag behind us
            assert os.readlink(f"/proc/{process}/fd/{held(process).pop()}").startswith("socket:")
        child.close()
        other.close()


def test_the_channel_is_ours_alone_and_never_waits() -> None:
    with a_zygote() as (zygote, _):
        child = zygote.child()
        assert not child.channel.get_inheritable()
        assert not os.get_inheritable(child.pidfd.fileno())
        with pytest.raises(BlockingIOError):
            child.channel.recv(1)
        child.close()


def test_a_killed_child_leaves_no_zombie() -> None:
    with a_zygote() as (zygote, pid):
        child = zygote.child()
        child.kill()
        assert ended(child)
        child.kill()  # once more is no fault
        child.close()
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            assert all(state(int(one)) != "Z" for one in file.read().split())


def test_signals_for_the_daemon_are_not_for_its_children() -> None:
    with a_zygote() as (zygote, pid):
        child = zygote.child()
        for process in (pid, child.pid):
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                os.kill(process, number)
        child.channel.send(b"alive")
        assert readable(child.channel.fileno())
        assert child.channel.recv(9) == b"alive"
        zygote.child().close()
        child.close()


def test_without_a_zygote_there_are_no_children() -> None:
    with a_zygote() as (zygote, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        for _ in range(2):
            with pytest.raises(Error, match="no child can be made"):
                zygote.child()


def test_all_of_them_end_with_the_daemon() -> None:
    """SIGKILL of the daemon closes nothing in an orderly way."""
    told, tells = os.pipe2(os.O_CLOEXEC)

    def daemon() -> None:
        before = children()
        zygote = Zygote(lambda _: signal.pause())
        child = zygote.child()
        os.write(tells, f"{(children() - before).pop()} {child.pid}".encode())
        signal.pause()

    pid, said = start(daemon)
    assert readable(told)
    pidfds = [OwnedFd(os.pidfd_open(int(one))) for one in os.read(told, 99).split()]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for pidfd in pidfds:
        with pidfd:
            assert readable(pidfd.fileno())
    for number in (said, told, tells):
        os.close(number)


@pytest.mark.parametrize("where", ["child", "zygote"])
def test_a_fault_never_leads_back_into_the_daemon(place: Path, where: str) -> None:
    """A fork that unwinds would run the daemon's own clean-up: unlink sockets, write records."""

    def daemon() -> None:
        parent = os.getpid()
        try:
            if where == "zygote":
                module._fork_for = fault  # type: ignore[assignment]
            zygote = Zygote(fault)
            if where == "zygote":
                with pytest.raises(Error):
                    zygote.child()
            else:
                child = zygote.child()
                child.channel.send(b"x")
                assert ended(child)
                child.close()
            zygote.close()
        finally:
            with open(place / "log", "a") as log:
                log.write("the daemon\n" if os.getpid() == parent else "a fork\n")

    in_child(daemon)
    assert (place / "log").read_text() == "the daemon\n"
