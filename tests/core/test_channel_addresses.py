# SPDX-License-Identifier: MIT
"""Addresses of the socket: which there are, who may have one, and who answers there."""

import os
import socket
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from fdbrokerd import channel, listening
from fdbrokerd.errors import Unreachable, UsageError

NULL = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("@a", b"\0a"),
        ("@" + "n" * 106, b"\0" + b"n" * 106),
        ("/run/x", "/run/x"),
        ("/" + "p" * 106, "/" + "p" * 106),
        ("@é", b"\0\xc3\xa9"),
    ],
)
def test_an_address(text: str, address: str | bytes) -> None:
    assert channel.parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "@", "x", "relative/path", "@" + "n" * 107, "/" + "p" * 107, "fd:3", "unix:/x",
     "@" + "é" * 60, "/" + "é" * 60, "@\udcff", "/a\0b", "@a\0b"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="not an address"):
        channel.parse_address(text)


@pytest.mark.parametrize("address", ["@fdbroker-é-{pid}", "{place}/socket"])
def test_a_listener_tells_its_address(place: Path, address: str) -> None:
    address = address.format(place=place, pid=os.getpid())
    with listening.listen(address, 0o600) as listener:
        assert listening.address_of(listener) == address
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED) == 1
        with closing(channel.connect(address, 1.0)) as client:
            assert client.getblocking()
            assert listening.address_of(client) == ""


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777])
def test_a_path_has_its_mode_at_once_and_the_umask_stays(place: Path, mode: int) -> None:
    before = os.umask(0o027)
    try:
        with listening.listen(f"{place}/socket", mode):
            assert stat.S_IMODE(os.stat(place / "socket").st_mode) == mode
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_stale_path_is_replaced_and_a_live_one_is_not(place: Path) -> None:
    address = f"{place}/socket"
    listening.listen(address, 0o600).close()
    with listening.listen(address, 0o600):
        with pytest.raises(OSError, match="in use"):
            listening.listen(address, 0o600)
        channel.connect(address, 1.0).close()


def _regular(path: Path) -> None:
    path.write_text("precious")


def _link(path: Path) -> None:
    (path.parent / "precious").write_text("precious")
    path.symlink_to("precious")


@pytest.mark.parametrize("make", [_regular, _link, os.mkfifo])
def test_what_is_no_socket_is_never_removed(place: Path, make: Callable[[Path], None]) -> None:
    path = place / "socket"
    make(path)
    before = os.lstat(path).st_ino
    with pytest.raises(OSError, match="in use"):
        listening.listen(str(path), 0o600)
    assert os.lstat(path).st_ino == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("@fdbroker-nobody", "Connection refused"),
        ("{place}/missing", "No such file"),
        ("fd:999999", "Bad file descriptor"),
        ("fd:" + "9" * 30, "Bad file descriptor"),
        ("fd:{null}", "not a socket|non-socket|Socket operation"),
        ("fd:{datagram}", "not a Unix stream socket"),
    ],
)
def test_nobody_at_an_address(place: Path, address: str, said: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        address = address.format(place=place, null=NULL, datagram=datagram.fileno())
        with pytest.raises(Unreachable, match=said):
            channel.connect(address, 1.0)


@pytest.mark.parametrize("address", ["fd:", "fd:-1", "fd:x", "fd:²"])
def test_what_is_no_number(address: str) -> None:
    with pytest.raises(UsageError, match="fd:NUMBER"):
        channel.connect(address, None)


def test_an_inherited_socket_stays_its_owners() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with closing(channel.connect(f"fd:{theirs.fileno()}", None)) as connection:
            assert connection.fileno() != theirs.fileno()
            connection.send(b"x")
        assert ours.recv(1) == b"x"
        assert theirs.fileno() >= 0


def test_a_full_backlog_is_waited_for_as_long_as_was_said(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(place / "socket"))
        listener.listen(0)
        with closing(channel.connect(f"{place}/socket", 1.0)):
            begun = monotonic()
            with pytest.raises(Unreachable):
                channel.connect(f"{place}/socket", 0.05)
            assert 0.04 < monotonic() - begun < 5
