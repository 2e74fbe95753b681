# SPDX-License-Identifier: MIT
"""Pseudoterminals: both ends work, and the slave is whose it should be."""

import errno
import fcntl
import os
import stat
import struct
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.kinds import pty
from fdbrokerd.kinds.pty import KIND, PtySpec
from fdbrokerd.model.key import OWN, Own, Values
from fdbrokerd.opened import Opened
from tests.needs import need_root

from .made import OTHER, USER, a_peer, a_request, a_resource
from .processes import MS_BIND, in_child, mount, open_numbers, own_mounts, room_for


@contextmanager
def opened(spec: PtySpec | None = None, count: int = 1, /, **arguments: str) -> Iterator[Opened]:
    peer = a_peer(USER if os.geteuid() == 0 else os.geteuid())
    made = KIND.open(
        spec or PtySpec(), a_request("thing", count, **arguments), peer, may_wait=False
    )
    try:
        yield made
    finally:
        made.close()


def ends(of: Opened) -> tuple[int, int]:
    master, slave = (one.fileno() for one in of.descriptors)
    return master, slave


def exactly(expected: bytes, end: int) -> bool:
    """Read as much as is expected, which may come in pieces, and tell whether it is that."""
    data = b""
    while len(data) < len(expected):
        data += os.read(end, len(expected) - len(data))
    return data == expected


def window(slave: int) -> tuple[int, int]:
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(slave, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def test_both_ends_work() -> None:
    with opened() as made:
        assert made.names == KIND.descriptors == ("master", "slave")
        master, slave = ends(made)
        os.write(slave, b"hello\n")
        assert exactly(b"hello\r\n", master)
        os.write(master, b"typed\n")
        assert exactly(b"typed\n", slave)
        assert exactly(b"typed\r\n", master), "the default preset echoes"
        assert made.afterwards is None


def test_the_path_is_the_slaves() -> None:
    with opened() as made:
        master, slave = ends(made)
        (number,) = struct.unpack("i", fcntl.ioctl(master, pty.TIOCGPTN, bytes(4)))
        path = made.properties["path"]
        assert path == f"/dev/pts/{number}" == os.ttyname(slave)
        assert os.stat(path).st_rdev == os.fstat(slave).st_rdev
        assert os.stat(path).st_ino == os.fstat(slave).st_ino


def test_every_end_is_close_on_exec_and_blocks() -> None:
    with opened(None, 3) as made:
        for one in made.descriptors:
            assert fcntl.fcntl(one.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
            assert not fcntl.fcntl(one.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


def test_no_end_becomes_the_controlling_terminal() -> None:
    """The daemon is a session leader under systemd; SIGHUP would follow the client's close."""

    def terminal() -> int:
        with open("/proc/self/stat") as file:
            return int(file.read().rpartition(")")[2].split()[4])

    def lead() -> None:
        os.setsid()
        assert terminal() == 0
        with opened(None, 2):
            assert terminal() == 0
            with pytest.raises(OSError, match="No such device or address"):
                os.open("/dev/tty", os.O_RDWR)

    in_child(lead)


@pytest.mark.parametrize(
    ("spec", "uid", "gid", "mode"),
    [
        (PtySpec(), USER, None, 0o620),
        (PtySpec(mode=0o600), USER, None, 0o600),
        (PtySpec(owner=OTHER, group=OTHER, mode=0o660), OTHER, OTHER, 0o660),
        (PtySpec(group=OWN), USER, USER, 0o620),
        (PtySpec(owner=0, mode=0o000), 0, None, 0o000),
    ],
)
def test_the_slave_looks_as_configured(spec: PtySpec, uid: int, gid: int | None, mode: int) -> None:
    need_root("to give a slave away")
    with opened() as untouched:
        usual = os.fstat(ends(untouched)[1]).st_gid
    with opened(spec) as made:
        status = os.fstat(ends(made)[1])
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (uid, mode)
        assert status.st_gid == (usual if gid is None else gid)


def test_its_owner_opens_the_slave_by_its_path_and_nobody_else_does() -> None:
    need_root("to be the owner")
    with opened() as made:
        path = made.properties["path"]

        def reopen() -> None:
            os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))

        in_child(reopen, uid=USER)
        with pytest.raises(AssertionError, match="PermissionError"):
            in_child(reopen, uid=OTHER)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({}, (0, 0)),
        ({"rows": "50", "columns": "132"}, (50, 132)),
        ({"rows": "7"}, (7, 80)),
        ({"columns": "7"}, (24, 7)),
        ({"rows": "0", "columns": "65535"}, (0, 65535)),
    ],
)
def test_the_window(arguments: Mapping[str, str], size: tuple[int, int]) -> None:
    with opened(**arguments) as made:
        assert window(ends(made)[1]) == size


@pytest.mark.parametrize(
    ("preset", "typed", "echoed", "read"),
    [("default", b"a\n", b"a\r\n", b"a\n"), ("raw", b"\r\x03\xff", b"", b"\r\x03\xff"),
     ("no-echo", b"a\n", b"", b"a\n")],
)  # fmt: skip
def test_presets(preset: str, typed: bytes, echoed: bytes, read: bytes) -> None:
    with opened(preset=preset) as made:
        master, slave = ends(made)
        os.write(master, typed)
        assert exactly(read, slave)
        os.write(slave, b"|\n")
        assert exactly(echoed + (b"|\n" if preset == "raw" else b"|\r\n"), master)


@pytest.mark.parametrize(
    "given",
    [{"rows": "65536"}, {"rows": "-1"}, {"columns": "x"}, {"preset": "cooked"}, {"mode": "0666"}],
)
def test_arguments_that_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        a_resource("pty", "pty", PtySpec(), KIND.arguments).complete(given)


def test_several_pairs_are_numbered_and_distinct() -> None:
    with opened(None, 3, rows="9") as made:
        names = ("master0", "slave0", "master1", "slave1", "master2", "slave2")
        assert made.names == names
        slaves = made.descriptors[1::2]
        paths = [made.properties[f"path{index}"] for index in range(3)]
        assert [os.ttyname(slave.fileno()) for slave in slaves] == paths
        assert len(set(paths)) == 3
        assert [window(slave.fileno())[0] for slave in slaves] == [9] * 3


@pytest.mark.parametrize("room", range(6))
def test_all_of_them_or_none(room: int) -> None:
    def run_out() -> None:
        before = open_numbers()
        with room_for(room), pytest.raises(OSError) as refused, opened(None, 3):  # noqa: PT011 (the number is what counts)
            pass
        assert refused.value.errno == errno.EMFILE
        assert open_numbers() == before

    in_child(run_out)


def test_it_is_the_masters_own_slave_whatever_is_mounted(place: Path) -> None:
    """Opened by its path it would be another instance's terminal (threats, G2)."""
    need_root("to mount")
    other = place / "pts"
    other.mkdir()

    def elsewhere() -> None:
        own_mounts()
        mount("devpts", str(other), "devpts", options="newinstance,ptmxmode=0666,mode=600")
        pty.PTMX = f"{other}/ptmx"
        with opened() as made:
            master, slave = ends(made)
            assert os.fstat(slave).st_dev == os.stat(other).st_dev
            assert os.fstat(slave).st_uid == USER
            os.write(slave, b"x\n")
            assert exactly(b"x\r\n", master)

    in_child(elsewhere)


def test_where_the_kernel_refuses_no_path_is_opened_instead(place: Path) -> None:
    """A ptmx that is bound over another instance's: /dev/pts/N would be somebody's terminal."""
    need_root("to mount")
    other = place / "pts"
    other.mkdir()

    def elsewhere() -> None:
        own_mounts()
        mount("devpts", str(other), "devpts", options="newinstance,ptmxmode=0666,mode=600")
        mount(f"{other}/ptmx", "/dev/ptmx", "", MS_BIND)
        before = open_numbers()
        with pytest.raises(OSError, match="No such device"), opened():
            pass
        assert open_numbers() == before

    in_child(elsewhere)


def test_it_works_with_a_devpts_of_its_own() -> None:
    need_root("to mount")

    def inside() -> None:
        own_mounts()
        mount("devpts", "/dev/pts", "devpts", options="newinstance,ptmxmode=0666,mode=620,gid=5")
        with opened() as made:
            _, slave = ends(made)
            path = made.properties["path"]
            assert path == "/dev/pts/0"
            assert os.fstat(slave).st_dev == os.stat("/dev/pts").st_dev
            assert os.stat(path).st_ino == os.fstat(slave).st_ino
            assert (os.fstat(slave).st_uid, os.fstat(slave).st_gid) == (USER, 5)

    in_child(inside)


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        ({}, PtySpec(OWN, None, 0o620)),
        ({"owner": 0, "group": 5, "mode": 0}, PtySpec(0, 5, 0)),
        ({"owner": OWN, "group": OWN}, PtySpec(OWN, OWN, 0o620)),
    ],
)
def test_the_specification(values: dict[str, int | Own], spec: PtySpec) -> None:
    assert KIND.spec(Values(values), frozenset()) == spec
    assert not KIND.may_block(spec)
