# SPDX-License-Identifier: MIT
"""A file's contents instead of the file: sealed copies, and pipes with a copier."""

import errno
import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.deliver import CHUNK_BYTES, snapshot, through_pipe
from fdbrokerd.kinds.file_spec import FileSpec
from fdbrokerd.opened import Opened
from tests.needs import need_root

from .made import USER, file_spec, only_one, opened_file
from .processes import in_child, open_numbers, room_for

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL

F_SEAL_FUTURE_WRITE = 0x10


def spec_of(place: Path, deliver: str, **keys: object) -> FileSpec:
    return file_spec(root=str(place), path="file", deliver=deliver, **keys)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 300_000])
def test_a_snapshot_is_the_file_as_it_was(place: Path, size: int) -> None:
    data = os.urandom(size)
    (place / "file").write_bytes(data)
    with only_one(opened_file(spec_of(place, "snapshot"))) as one:
        (place / "file").write_bytes(b"renewed")
        assert os.lseek(one.fileno(), 0, os.SEEK_CUR) == 0
        assert os.read(one.fileno(), size + 1) == data
        assert os.fstat(one.fileno()).st_size == size
        assert os.fstat(one.fileno()).st_nlink == 0, "a memfd"


def test_a_snapshot_cannot_be_changed_and_not_be_run(place: Path) -> None:
    (place / "file").write_bytes(b"secret")
    with only_one(opened_file(spec_of(place, "snapshot"))) as one:
        number = one.fileno()
        seals = fcntl.fcntl(number, fcntl.F_GET_SEALS)
        assert seals & SEALS == SEALS
        assert not os.fstat(number).st_mode & 0o111
        assert fcntl.fcntl(number, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        for change in (
            lambda: os.write(number, b"x"),
            lambda: os.ftruncate(number, 0),
            lambda: os.ftruncate(number, 100),
            lambda: fcntl.fcntl(number, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE),
        ):
            with pytest.raises(PermissionError):
                change()


def test_a_snapshot_is_opened_again_by_whoever_has_it(place: Path) -> None:
    need_root("to be somebody else")
    (place / "file").write_bytes(b"secret")
    with only_one(opened_file(spec_of(place, "snapshot"))) as one:

        def reopen() -> None:
            with open(f"/dev/fd/{one.fileno()}", "rb") as again:
                assert again.read() == b"secret"

        in_child(reopen, uid=USER)
        assert os.lseek(one.fileno(), 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize(
    ("size", "limit", "fits"),
    [(9, 10, True), (10, 10, True), (11, 10, False), (CHUNK_BYTES + 5, CHUNK_BYTES, False)],
)
def test_a_snapshot_has_its_greatest_size(place: Path, size: int, limit: int, fits: bool) -> None:  # noqa: FBT001 (a column of the table)
    (place / "file").write_bytes(b"x" * size)
    spec = spec_of(place, "snapshot", max_size=limit)
    if fits:
        only_one(opened_file(spec)).close()
        return
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        opened_file(spec)
    assert refused.value.errno == errno.EFBIG


def test_a_file_that_says_nothing_of_its_size_is_read_to_its_end() -> None:
    """As those of /proc do."""
    with open("/proc/self/maps", "rb", buffering=0) as maps:
        snapshot(maps.fileno(), 1 << 20, "maps").close()
        maps.seek(0)
        with pytest.raises(OSError, match="max-size"):
            snapshot(maps.fileno(), 10, "maps")


def copied(opened: Opened) -> threading.Thread:
    """Do what remains to be done, beside the test."""
    assert opened.afterwards is not None
    thread = threading.Thread(target=opened.afterwards)
    thread.start()
    return thread


def test_a_file_is_read_through_a_pipe(place: Path) -> None:
    data = os.urandom(300_000)
    (place / "file").write_bytes(data)
    opened = opened_file(spec_of(place, "pipe"))
    thread = copied(opened)
    with only_one(opened) as one, open(one.fileno(), "rb", closefd=False) as end:
        assert stat.S_ISFIFO(os.fstat(one.fileno()).st_mode)
        assert fcntl.fcntl(one.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert end.read() == data
    thread.join()


def test_what_is_appended_through_a_pipe_stays(place: Path) -> None:
    (place / "file").write_bytes(b"before\n")
    opened = opened_file(spec_of(place, "pipe", access="append"))
    with only_one(opened) as one:
        os.write(one.fileno(), b"one\n")
        os.write(one.fileno(), b"x" * 50_000)
        assert fcntl.fcntl(one.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        for rewrite in (
            lambda: os.lseek(one.fileno(), 0, os.SEEK_SET),
            lambda: os.pwrite(one.fileno(), b"forged", 0),
            lambda: os.ftruncate(one.fileno(), 0),
        ):
            with pytest.raises(OSError, match=r"Illegal seek|Invalid argument"):
                rewrite()
    copied(opened).join()
    assert (place / "file").read_bytes() == b"before\none\n" + b"x" * 50_000


def test_the_copier_ends_with_the_reader(place: Path) -> None:
    (place / "file").write_bytes(b"x" * 1_000_000)
    opened = opened_file(spec_of(place, "pipe"))
    thread = copied(opened)
    with only_one(opened) as one:
        os.read(one.fileno(), 10)
    thread.join(20)
    assert not thread.is_alive()


def test_a_pipe_that_cannot_be_made_leaves_nothing_open(place: Path) -> None:
    (place / "file").write_bytes(b"x")

    def run_out() -> None:
        before = open_numbers()
        file = only_one(opened_file(spec_of(place, "fd")))
        with room_for(1), pytest.raises(OSError, match="Too many open files"):
            through_pipe(file, writing=False)
        assert file.closed
        assert open_numbers() == before

    in_child(run_out)


def test_a_full_disk_ends_the_copier() -> None:
    with open("/dev/full", "ab", buffering=0) as full:
        opened = through_pipe(OwnedFd.copy_of(full.fileno()), writing=True)
    assert opened.afterwards is not None
    with only_one(opened) as one:
        os.write(one.fileno(), b"x")
    with pytest.raises(OSError, match="No space left"):
        opened.afterwards()
