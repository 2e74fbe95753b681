# SPDX-License-Identifier: MIT
"""openat2(2) itself: that it is there, and what each flag refuses."""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd import openat2 as module
from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.beneath import strict
from fdbrokerd.openat2 import openat2, prove


@pytest.fixture
def root(place: Path) -> Iterator[OwnedFd]:
    (place / "inside").mkdir()
    (place / "inside" / "file").write_text("here")
    (place / "inside" / "out").symlink_to("/etc")
    (place / "inside" / "back").symlink_to("..")
    (place / "inside" / "loop").symlink_to("loop")
    (place / "inside" / "here").symlink_to("file")
    with OwnedFd(os.open(place / "inside", os.O_PATH | os.O_CLOEXEC)) as root:
        yield root


def test_it_works_here() -> None:
    prove()


def test_a_file_is_opened_close_on_exec(root: OwnedFd) -> None:
    with openat2(root.fileno(), "file", os.O_RDONLY, strict(cross=False)) as file:
        assert os.read(file.fileno(), 9) == b"here"
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("missing", errno.ENOENT),
        ("..", errno.EXDEV),
        ("../inside/file", errno.EXDEV),
        ("x/../../inside", errno.ENOENT),
        ("./../..", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("/", errno.EXDEV),
        ("out", errno.ELOOP),
        ("out/passwd", errno.ELOOP),
        ("back/inside/file", errno.ELOOP),
        ("loop", errno.ELOOP),
        ("here", errno.ELOOP),
        ("file/x", errno.ENOTDIR),
        ("n" * 256, errno.ENAMETOOLONG),
        ("d/" * 2048 + "x", errno.ENAMETOOLONG),
    ],
)
def test_what_is_refused(root: OwnedFd, path: str, code: int) -> None:
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        openat2(root.fileno(), path, os.O_RDONLY, strict(cross=True))
    assert refused.value.errno == code


def test_no_name_is_cut_at_a_nul(root: OwnedFd) -> None:
    """C would open what is before it."""
    with pytest.raises(OSError, match="a path with a NUL"):
        openat2(root.fileno(), "file\0.txt", os.O_RDONLY, strict(cross=True))


def test_magic_links_are_refused() -> None:
    with (
        OwnedFd(os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)) as proc,
        pytest.raises(OSError, match="symbolic links"),
    ):
        openat2(proc.fileno(), "root/etc/passwd", os.O_RDONLY, module.RESOLVE_NO_MAGICLINKS)


def test_a_system_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that no system call has is what a sandbox or an old kernel looks like."""
    monkeypatch.setattr(module, "_NUMBER", ctypes.c_long(100_000))
    with pytest.raises(Error, match=r"does not work here \(Function not implemented\)"):
        prove()


def test_a_system_that_lets_paths_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESOLVE_BENEATH", 0)
    with pytest.raises(Error, match="does not keep a path beneath"):
        prove()
