# SPDX-License-Identifier: MIT
"""Every sort that is taken, and the words for it."""

import os
import signal
import struct
from fcntl import F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_WRITE, fcntl, ioctl
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import judge
from tests.core.processes import in_child, readable
from tests.needs import need_root

from . import syscalls
from .judging import NOBODY, judged, opened

TUNSETIFF = 0x400454CA


def memory(name: str = "name") -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def test_a_memfd_with_its_size_and_seals() -> None:
    assert judged(memory).what == "memfd name 0 bytes"

    def sealed() -> int:
        number = memory()
        os.ftruncate(number, 4096)
        fcntl(number, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK)
        return number

    found = judged(sealed)
    assert (found.type, found.what) == ("memfd", "memfd name 4096 bytes, sealed shrink write")


def test_a_memfd_that_was_opened_anew() -> None:
    with OwnedFd(memory()) as one:
        found = judged(opened(f"/proc/self/fd/{one.fileno()}"))
    assert found.what == "memfd name 0 bytes, read only"


def test_a_memfd_of_huge_pages() -> None:
    assert judged(syscalls.huge_memory).type == "memfd"


@pytest.mark.parametrize(
    "name", ["\x1b[31mred", "two\nlines", "\udcff", "x 4096 bytes, sealed", "/"]
)
def test_a_name_is_shown_without_what_acts_on_a_terminal(name: str) -> None:
    found = judged(lambda: memory(name))
    assert found.type == "memfd"
    assert found.what.count(" ") == 3, "and cannot go on in our words"


def test_a_long_name_is_cut() -> None:
    assert len(judged(lambda: memory("\x01" * 249)).what) < 200


def test_the_ends_of_a_pipe() -> None:
    ends = [OwnedFd(end) for end in os.pipe2(os.O_CLOEXEC)]
    both = opened(f"/proc/self/fd/{ends[0].fileno()}", os.O_RDWR)
    assert judged(both).what == "pipe, both ends"
    for end, name in zip(ends, ("read", "write"), strict=True):
        found = judge(end.fileno(), NOBODY)
        assert (found.type, found.what) == ("pipe", f"pipe, {name} end")
        end.close()


def test_what_has_no_more_to_say() -> None:
    found = judged(lambda: os.eventfd(3, os.EFD_CLOEXEC))
    assert (found.type, found.what) == ("eventfd", "eventfd")
    found = judged(syscalls.timerfd)
    assert (found.type, found.what) == ("timerfd", "timerfd")


def test_a_pidfd() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    with OwnedFd(os.pidfd_open(pid)) as pidfd:
        found = judge(pidfd.fileno(), NOBODY)
        assert (found.type, found.what) == ("pidfd", f"pidfd of {pid}")
        os.kill(pid, signal.SIGKILL)
        assert readable(pidfd.fileno())
        os.waitpid(pid, 0)
        assert judge(pidfd.fileno(), NOBODY).what == "pidfd of an ended process"


def test_both_ends_of_a_terminal() -> None:
    master, slave = (OwnedFd(number) for number in os.openpty())
    with master:
        path = os.ttyname(slave.fileno())
        found = judge(slave.fileno(), NOBODY)
        assert (found.type, found.what) == ("pty", f"pty slave {path}")
        found = judge(master.fileno(), NOBODY)
        assert (found.type, found.what) == ("pty", f"pty master {path}")
        slave.close()
        assert judge(master.fileno(), NOBODY) == found, "without a slave too"


def test_a_slave_whose_master_is_gone() -> None:
    master, slave = (OwnedFd(number) for number in os.openpty())
    master.close()
    with slave:
        assert judge(slave.fileno(), NOBODY).type == "pty"


def test_a_tap() -> None:
    need_root("a network interface")

    def work() -> None:
        syscalls.own_network()
        with OwnedFd(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)) as tap:
            ioctl(tap.fileno(), TUNSETIFF, struct.pack("16sH14x", b"tap%d", 0x1002))
            found = judge(tap.fileno(), NOBODY)
            assert (found.type, found.what) == ("tun", "tun tap0")

    in_child(work)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (os.O_RDONLY, "read"),
        (os.O_WRONLY | os.O_APPEND, "write append"),
        (os.O_RDWR, "read-write"),
    ],
)
def test_a_file_and_how_it_was_opened(place: Path, flags: int, said: str) -> None:
    path = place / "a file"
    path.write_text("text")
    found = judged(opened(str(path), flags))
    assert (found.type, found.what) == ("file", f"file {place}/a\\x20file {said}")


def test_a_file_without_a_name(place: Path) -> None:
    found = judged(opened(str(place), os.O_TMPFILE | os.O_RDWR))
    assert found.what.endswith(" read-write, deleted")
    path = place / "file (deleted)"
    path.write_text("text")
    assert judged(opened(str(path))).what == f"file {place}/file\\x20(deleted) read"
