# SPDX-License-Identifier: MIT
"""Every sort that is refused, made for real, and why it is."""

import os
import socket
from collections.abc import Callable
from fcntl import F_GET_SEALS, F_OFD_SETLK, F_WRLCK, fcntl
from pathlib import Path
from struct import pack

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import Refused, judge
from fdbrokerd.judge.fdinfo import FdInfo
from fdbrokerd.judge.place import judge_place
from tests.core.processes import in_child, mount, other_process, own_mounts
from tests.needs import need_root

from . import syscalls
from .judging import NOBODY, judged, opened, refusal


@pytest.mark.parametrize(
    "make",
    [
        syscalls.epoll,
        syscalls.signalfd,
        syscalls.inotify,
        syscalls.userfaultfd,
        syscalls.io_uring,
        syscalls.landlock,
        opened("/proc/self/ns/net"),
        opened("/proc/self/ns/mnt"),
        opened("/proc/self/ns/user"),
    ],
)
def test_what_the_kernel_names_and_is_no_such_type(make: Callable[[], int]) -> None:
    assert "no type that is taken" in refusal(make)


@pytest.mark.parametrize("make", [syscalls.fanotify, syscalls.bpf_map, syscalls.perf_event])
def test_what_only_root_makes(make: Callable[[], int]) -> None:
    need_root("what is refused")
    assert "no type that is taken" in refusal(make)


@pytest.mark.parametrize(
    "make", [syscalls.secret_memory, syscalls.message_queue, syscalls.forged_memory]
)
def test_what_has_a_path_on_no_mount(make: Callable[[], int]) -> None:
    need_root("a file system of its own")
    assert "mount that is not known" in refusal(make)


def test_what_looks_like_a_memfd_even_answers_like_one() -> None:
    need_root("a file system of its own")
    with OwnedFd(syscalls.forged_memory()) as forged:
        assert os.readlink(f"/proc/self/fd/{forged.fileno()}") == "/memfd:x (deleted)"
        assert fcntl(forged.fileno(), F_GET_SEALS) == 1


def test_a_directory(place: Path) -> None:
    assert "is a directory" in refusal(opened(str(place)))


def test_a_path_with_nothing_open(place: Path) -> None:
    (place / "file").write_text("text")
    with OwnedFd(os.memfd_create("x", os.MFD_CLOEXEC)) as memory:
        for path in (str(place / "file"), str(place), f"/proc/self/fd/{memory.fileno()}"):
            assert "O_PATH" in refusal(opened(path, os.O_PATH))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty0", "/dev/fuse"])
def test_a_device_node(path: str) -> None:
    if not os.path.exists(path):
        path = "/dev/full"
    assert "device node" in refusal(opened(path, os.O_RDWR if path != "/dev/tty0" else 0))


def test_a_tun_device_without_an_interface() -> None:
    need_root("/dev/net/tun")
    assert "TUNSETIFF" in refusal(opened("/dev/net/tun", os.O_RDWR))


def test_a_fifo_with_a_name(place: Path) -> None:
    os.mkfifo(place / "fifo")
    assert "a FIFO with a name" in refusal(opened(str(place / "fifo"), os.O_RDWR))


@pytest.mark.parametrize("path", ["/proc/self/status", "/sys/kernel/uevent_seqnum"])
def test_a_file_of_the_kernel(path: str) -> None:
    assert "only what is on a local file system" in refusal(opened(path))


def test_a_file_with_very_many_locks(place: Path) -> None:
    """Each is a line of what the kernel says, and the sender's to make."""

    def locked() -> int:
        number = os.open(place / "file", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        for at in range(2000):
            fcntl(number, F_OFD_SETLK, pack("hhqqi4x", F_WRLCK, 0, 2 * at, 1, 0))
        return number

    assert "locked" in refusal(locked)


def test_a_path_that_cannot_be_read(place: Path) -> None:
    """One that was renamed to become longer than a page."""
    number = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=number)
        following = os.open("d" * 250, os.O_RDONLY | os.O_CLOEXEC, dir_fd=number)
        os.close(number)
        number = following
    with OwnedFd(number) as deep:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC

        def file() -> int:
            return os.open("file", flags, dir_fd=deep.fileno())

        assert "too long" in refusal(file)


def test_an_overlay(place: Path) -> None:
    need_root("mounts")

    def work() -> None:
        own_mounts()
        mount("none", str(place), "tmpfs")  # an overlay on an overlay may not be had
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir()
        (place / "lower" / "file").write_text("text")
        options = ",".join(
            f"{key}={place}/{name}"
            for key, name in (("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work"))
        )
        mount("overlay", str(place / "merged"), "overlay", 0, options)
        path = str(place / "merged" / "file")
        assert "is on overlay: only what is on a local" in refusal(opened(path))
        assert judged(opened(str(place / "lower" / "file"))).type == "file"

    in_child(work)


def test_a_mount_that_was_taken_away(place: Path) -> None:
    need_root("mounts")

    def work() -> None:
        own_mounts()
        mount("none", str(place), "tmpfs")
        (place / "file").write_text("text")
        with OwnedFd(opened(str(place / "file"))()) as file:
            assert judge(file.fileno(), NOBODY).type == "file"
            assert syscalls.call(166, os.fsencode(place), 2) == 0  # umount2, MNT_DETACH
            with pytest.raises(Refused, match="not known here"):
                judge(file.fileno(), NOBODY)

    in_child(work)


def test_another_mount_namespace(place: Path) -> None:
    """Its own copy of a mount is not ours; whose it is can be asked, where it is known."""
    need_root("mounts")
    (place / "file").write_text("text")
    ours, theirs = socket.socketpair()

    def elsewhere() -> None:
        own_mounts()
        with OwnedFd(opened(str(place / "file"))()) as file:
            socket.send_fds(theirs, [b"x"], [file.fileno()])  # noqa: TID251 (a client)
        assert theirs.recv(1) == b"!"

    with ours, theirs, other_process(elsewhere) as sender:
        _, (number,), _, _ = socket.recv_fds(ours, 1, 1)  # noqa: TID251 (a fork)
        with OwnedFd(number) as file:
            with pytest.raises(Refused, match="of another mount namespace"):
                judge(file.fileno(), NOBODY)
            assert judge(file.fileno(), NOBODY, sender).type == "file"
        ours.send(b"!")


def test_a_file_of_pid_1(place: Path) -> None:
    """A service with ProtectSystem= has mounts with ids of its own; most others have those of 1."""
    need_root("mounts")
    (place / "file").write_text("text")

    def work() -> None:
        with OwnedFd(opened(str(place / "file"))()) as file:
            own_mounts()
            assert judge(file.fileno(), NOBODY).type == "file"

    in_child(work)


@pytest.mark.parametrize(("key", "said"), [("tty-index", "pty master"), ("iff", "tun device")])
def test_what_only_pretends_to_be_a_driver(place: Path, key: str, said: str) -> None:
    """A dma-buf prints a name that its owner chose, with newlines (there is none to make here)."""
    with OwnedFd(opened(str(place), os.O_TMPFILE | os.O_RDWR)()) as file:
        info = FdInfo(os.O_RDWR, 0, {key: "3"})
        with pytest.raises(Refused, match=f"pretends to be a {said}"):
            judge_place(file.fileno(), "/x", info, None)
