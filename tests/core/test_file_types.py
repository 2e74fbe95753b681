# SPDX-License-Identifier: MIT
"""What is not of the type that was meant: refused, without a side effect and without a wait."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from fdbrokerd.errors import Unavailable

from .grounds import a_root, failure, of
from .made import USER, only_one, opened_file
from .processes import in_child


@pytest.fixture
def root(place: Path) -> Path:
    return a_root(place)


def node(kind: int) -> Callable[[Path], None]:
    """Return what makes a node; a device is the null device."""
    return lambda path: os.mknod(path, kind | 0o666, os.makedev(1, 3))


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))


TYPES = [
    ("fifo", node(stat.S_IFIFO), errno.EBADFD),
    ("socket", bound, errno.EBADFD),
    ("device", node(stat.S_IFCHR), errno.EBADFD),
    ("block", node(stat.S_IFBLK), errno.EBADFD),
    ("directory", Path.mkdir, errno.EISDIR),
]


@pytest.mark.parametrize(("name", "make", "code"), TYPES)
@pytest.mark.parametrize("where", ["ours", "theirs"])
@pytest.mark.parametrize("access", ["read", "write", "append", "read-write"])
def test_another_type_is_refused_and_not_waited_for(
    root: Path, name: str, make: Callable[[Path], None], code: int, where: str, access: str
) -> None:
    path = root / where / name
    make(path)
    os.chown(path, USER, USER)
    begun = monotonic()
    spec = of(root, f"{where}/{name}", access=access)
    if where == "theirs" or (access == "read" and name == "fifo"):
        assert failure(spec) == code
    else:  # what open(2) itself says, in a directory that only root can write
        assert failure(spec) in {code, errno.ENXIO}
    assert monotonic() - begun < 5


def test_a_device_in_a_directory_of_others_is_not_opened(root: Path) -> None:
    """Opening can rewind a tape; here, opening ptmx would make a pty."""
    path = root / "theirs" / "ptmx"
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(5, 2))
    os.chown(path, USER, USER)
    spec = of(root, "theirs/ptmx", access="read-write")
    seen: list[int] = []
    real = os.open

    def watched(path: str, flags: int) -> int:
        seen.append(flags)
        return real(path, flags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", watched)
        assert failure(spec, USER) == errno.EBADFD
    assert all(flags & os.O_PATH for flags in seen), "roots alone"


def test_a_wrong_type_is_not_said_to_be_away_for_a_while(root: Path) -> None:
    """Unavailable is for a FIFO without a reader and a socket without a listener."""
    bound(root / "ours" / "socket")
    os.mkfifo(root / "ours" / "fifo")
    assert failure(of(root, "ours/socket")) in {errno.ENXIO, errno.EBADFD}
    assert failure(of(root, "ours/fifo", access="write")) in {errno.ENXIO, errno.EBADFD}
    with pytest.raises(Unavailable):
        opened_file(of(root, "ours/fifo", access="write", type="fifo"))


def test_nobody_waits_for_a_fifo_even_where_one_is_meant(root: Path) -> None:
    os.mkfifo(root / "theirs" / "fifo")
    os.chown(root / "theirs" / "fifo", USER, USER)

    def no_wait() -> None:
        begun = monotonic()
        spec = of(root, "theirs/fifo", type="fifo")
        only_one(opened_file(spec)).close()
        assert monotonic() - begun < 5

    in_child(no_wait)
