# SPDX-License-Identifier: MIT
"""Files as they should be: how they are opened, made and handed over."""

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest

from fdbrokerd.errors import Busy, Unavailable
from fdbrokerd.kinds.file_spec import FileSpec
from fdbrokerd.model.key import KeyRefused
from tests.needs import need_root

from .made import USER, a_peer, file_spec, only_one, opened_file

TEXT = b"0123456789"


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(TEXT)
    return path


def spec_of(path: Path, **keys: object) -> FileSpec:
    return file_spec(**({"root": str(path.parent), "path": path.name} | keys))


def failure(spec: FileSpec) -> int:
    """Return the number of the error that opening ends in."""
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        opened_file(spec)
    return refused.value.errno or 0


@pytest.mark.parametrize(
    ("access", "flags"),
    [
        ("read", os.O_RDONLY),
        ("write", os.O_WRONLY),
        ("read-write", os.O_RDWR),
        ("append", os.O_WRONLY | os.O_APPEND),
    ],
)
@pytest.mark.parametrize("of_others", [False, True])
def test_access(file: Path, access: str, flags: int, of_others: bool) -> None:  # noqa: FBT001 (a column of the table)
    if of_others:
        need_root("to give a directory away")
        os.chown(file.parent, USER, USER)
        os.chown(file, USER, USER)
    made = opened_file(spec_of(file, access=access))
    with only_one(made) as one:
        assert made.names == ("file",)
        status = fcntl.fcntl(one.fileno(), fcntl.F_GETFL)
        relevant = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK | os.O_PATH | os.O_TRUNC
        assert status & relevant == flags, "and O_NONBLOCK is cleared"
        assert fcntl.fcntl(one.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert file.read_bytes() == TEXT, "never truncated"
        if flags & os.O_ACCMODE in {os.O_RDONLY, os.O_RDWR}:
            assert os.read(one.fileno(), 99) == TEXT
        else:
            os.write(one.fileno(), b"ab")
            after = TEXT + b"ab" if access == "append" else b"ab" + TEXT[2:]
            assert file.read_bytes() == after


def test_nobody_shares_an_open_file_description(file: Path) -> None:
    spec = spec_of(file)
    with only_one(opened_file(spec)) as one, only_one(opened_file(spec)) as other:
        os.read(one.fileno(), 4)
        os.set_blocking(one.fileno(), False)
        assert os.lseek(other.fileno(), 0, os.SEEK_CUR) == 0
        assert os.get_blocking(other.fileno())


@pytest.mark.parametrize(
    ("kind", "code"),
    [("missing", errno.ENOENT), ("directory", errno.EISDIR), ("file/x", errno.ENOTDIR)],
)
def test_what_is_not_there(file: Path, kind: str, code: int) -> None:
    (file.parent / "directory").mkdir()
    assert failure(file_spec(root=str(file.parent), path=kind)) == code


def test_a_fifo_is_handed_over_where_it_is_meant(place: Path) -> None:
    os.mkfifo(place / "fifo")
    writing = spec_of(place / "fifo", type="fifo", access="write")
    with pytest.raises(Unavailable):  # nobody reads
        opened_file(writing)
    with only_one(opened_file(spec_of(place / "fifo", type="fifo"))) as reader:
        assert os.get_blocking(reader.fileno())
        with only_one(opened_file(writing)) as writer:
            os.write(writer.fileno(), b"x")
            assert os.read(reader.fileno(), 9) == b"x"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_a_socket_is_connected_to(place: Path, kind: socket.SocketKind) -> None:
    path = place / "socket"
    spec = spec_of(path, type="socket", access="read-write")
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        if kind is not socket.SOCK_DGRAM:
            with pytest.raises(Unavailable):  # bound, and nobody listens
                opened_file(spec)
            server.listen(1)
        made = only_one(opened_file(spec))
        with socket.socket(fileno=made.detach()) as client:
            assert (client.type, client.getblocking()) == (kind, True)
            assert not client.get_inheritable()
            client.send(b"x")
            peer = server if kind is socket.SOCK_DGRAM else server.accept()[0]
            with peer:
                assert peer.recv(9) == b"x"
    with pytest.raises(Unavailable):  # dead
        opened_file(spec)


def test_a_full_backlog_does_not_wait(place: Path) -> None:
    spec = spec_of(place / "socket", type="socket", access="read-write")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(place / "socket"))
        server.listen(0)
        with only_one(opened_file(spec)), pytest.raises(Busy):
            opened_file(spec)


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("root", {"root": "relative"}),
        ("root", {"root": "/a/../b"}),
        ("root", {"root": "/a/"}),
        ("root", {"root": "//a"}),
        ("root", {"root": "/a\0b"}),
        ("path", {"path": "relative"}),
        ("path", {"root": "/a", "path": "/b"}),
        ("path", {"path": "/a/../b"}),
        ("path", {"path": "/a//b"}),
        ("path", {"path": "/a/./b"}),
        ("path", {"path": "/a/"}),
        ("path", {"path": "/"}),
        ("path", {"path": "/a\0b"}),
        ("path", {"path": "/${uid}"}),
        ("path", {"root": "/a", "path": "${nope}"}),
        ("create", {"path": "/a", "create": {}}),
        ("create", {"path": "/a", "create": {}, "access": "write", "type": "fifo"}),
        ("max-size", {"path": "/a", "max_size": 5}),
        ("deliver", {"path": "/a", "deliver": "snapshot", "access": "write"}),
        ("deliver", {"path": "/a", "deliver": "snapshot", "type": "fifo"}),
        ("deliver", {"path": "/a", "deliver": "pipe", "access": "read-write"}),
        ("access", {"path": "/a", "type": "socket"}),
    ],
)
def test_keys_that_do_not_go_together(key: str, keys: dict[str, object]) -> None:
    with pytest.raises(KeyRefused) as refused:
        file_spec(**({"path": "x"} | keys))
    assert refused.value.key == key


def test_a_file_of_the_peers_own_is_its_own(place: Path) -> None:
    """Even where others can write the directory."""
    need_root("to give a file away")
    (place / "open").mkdir()
    os.chmod(place / "open", 0o1777)  # noqa: S103 (what is tested)
    (place / "open" / "file").write_bytes(TEXT)
    spec = file_spec(root=str(place), path="open/file")
    assert failure(spec) == errno.EACCES
    os.chown(place / "open" / "file", USER, USER)
    with only_one(opened_file(spec, a_peer(USER))) as one:
        assert stat.S_ISREG(os.fstat(one.fileno()).st_mode)
