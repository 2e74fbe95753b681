# SPDX-License-Identifier: MIT
"""Files that may have to be waited for: another's lease, another mount, another's root."""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd.errors import Busy
from fdbrokerd.kinds.file import KIND
from fdbrokerd.kinds.kind import WouldBlock
from tests.needs import need_root

from .made import USER, file_spec, only_one, opened_file
from .processes import in_child, mount, own_mounts, start

TEXT = b"0123456789"


@pytest.fixture
def leased(place: Path) -> Iterator[Path]:
    """Hold a read lease on a file in another process, which does not let go of it."""
    file = place / "file"
    file.write_bytes(TEXT)
    taken, says = os.pipe()
    wait, go = os.pipe()

    def hold() -> None:
        os.close(go)
        held = os.open(file, os.O_RDONLY)
        fcntl.fcntl(held, fcntl.F_SETSIG, 0)
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        os.write(says, b"x")
        os.read(wait, 1)

    pid, said = start(hold)
    os.read(taken, 1)
    yield file
    for number in (taken, says, wait, go, said):
        os.close(number)
    os.waitpid(pid, 0)


def test_a_lease_is_not_waited_for(leased: Path) -> None:
    with pytest.raises(Busy):
        opened_file(file_spec(root=str(leased.parent), path="file", access="write"))


@pytest.mark.parametrize("of_others", [False, True])
@pytest.mark.parametrize("inside", ["file", "mounted/file"])
def test_another_mount_is_left_to_a_child(place: Path, inside: str, of_others: bool) -> None:  # noqa: FBT001 (a column of the table)
    need_root("to mount")
    (place / "mounted").mkdir()
    if of_others:
        os.chown(place, USER, USER)

    def within() -> None:
        own_mounts()
        mount("tmpfs", str(place / "mounted"), "tmpfs", options="mode=755")
        (place / inside).write_bytes(TEXT)
        if of_others:
            os.chown(place / inside, USER, USER)
            os.chown(place / "mounted", USER, USER)
        spec = file_spec(root=str(place), path=inside)
        if inside != "file":
            with pytest.raises(WouldBlock):
                opened_file(spec, may_wait=False)
        with only_one(opened_file(spec, may_wait=inside != "file")) as one:
            assert os.read(one.fileno(), 99) == TEXT

    in_child(within)


@pytest.mark.parametrize(
    ("keys", "blocks"),
    [
        ({}, False),
        ({"deliver": "pipe"}, True),
        ({"deliver": "snapshot"}, True),
        ({"deliver": "snapshot", "max_size": 65536}, False),
        ({"path": "${user}"}, True),
        ({"path": "${uid}"}, False),
        ({"root": "/proc"}, True),
        ({"root": "/missing"}, True),
    ],
)
def test_what_is_opened_in_a_child(keys: dict[str, object], blocks: bool) -> None:  # noqa: FBT001 (a column of the table)
    spec = file_spec(**({"root": "/usr", "path": "x"} | keys))
    assert KIND.may_block(spec) is blocks


def test_a_root_that_others_can_swap_is_left_to_a_child(place: Path) -> None:
    need_root("to give a directory away")
    (place / "theirs" / "root").mkdir(parents=True)
    os.chown(place / "theirs", USER, USER)
    assert not file_spec(root=str(place / "theirs" / "root"), path="x").controlled
    assert file_spec(root=str(place), path="x").controlled


def test_of_a_file_system_that_may_hang_only_the_contents_are_handed_out() -> None:
    """The daemon closes what it has sent, and closing a file of FUSE waits for its server."""
    with pytest.raises(OSError, match="may hang") as refused:
        opened_file(file_spec(root="/proc", path="version"))
    assert refused.value.errno == errno.EOPNOTSUPP
    copy = file_spec(root="/proc", path="version", deliver="snapshot")
    with only_one(opened_file(copy)) as one:
        assert os.read(one.fileno(), 5) == b"Linux"
