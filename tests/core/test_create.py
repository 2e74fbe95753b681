# SPDX-License-Identifier: MIT
"""Files that are made: whole when they appear, by one of two who race, or not at all."""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds import create as module
from fdbrokerd.kinds.create import Creation, create
from fdbrokerd.kinds.file_spec import FileSpec
from fdbrokerd.model.key import OWN, Own, Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.openat2 import openat2
from tests.needs import need_root

from .made import OTHER, USER, a_peer, file_spec, only_one, opened_file
from .processes import in_child, other_process, start

NONE: Mapping[str, int | Own] = {}


def spec_of(
    place: Path, mode: int = 0o640, access: str = "write", more: Mapping[str, int | Own] = NONE
) -> FileSpec:
    creation = Values({"mode": mode, **more})
    return file_spec(root=str(place), path="made", access=access, create=creation)


def without_tmpfile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make O_TMPFILE fail, as some file systems do that cannot be mounted here."""
    real = openat2

    def no_tmpfile(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> OwnedFd:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(directory, path, flags, resolve, mode)

    monkeypatch.setattr(module, "openat2", no_tmpfile)


both_ways = pytest.mark.parametrize("way", [lambda _: None, without_tmpfile])
Way = Callable[[pytest.MonkeyPatch], None]


@both_ways
@pytest.mark.parametrize(
    ("mode", "more", "uid", "gid"),
    [
        (0o640, {}, 0, 0),
        (0o666, {"owner": OWN, "group": OWN}, USER, USER),
        (0o600, {"owner": OTHER}, OTHER, 0),
        (0o000, {"group": OTHER}, 0, OTHER),
    ],
)
def test_it_has_its_mode_and_owner(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
    mode: int,
    more: dict[str, int | Own],
    uid: int,
    gid: int,
) -> None:
    need_root("to give files away")
    way(monkeypatch)
    before = os.umask(0o077)
    try:
        with only_one(opened_file(spec_of(place, mode, more=more), a_peer(USER))) as one:
            os.write(one.fileno(), b"x")
    finally:
        os.umask(before)
    status = os.stat(place / "made")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, uid, gid)
    assert (status.st_size, status.st_nlink) == (1, 1)
    assert os.listdir(place) == ["made"]


def test_one_that_is_there_is_left_as_it_is(place: Path) -> None:
    (place / "made").write_bytes(b"before")
    os.chmod(place / "made", 0o604)
    with only_one(opened_file(spec_of(place, access="append"))) as one:
        os.write(one.fileno(), b"+")
    assert (place / "made").read_bytes() == b"before+"
    assert stat.S_IMODE(os.stat(place / "made").st_mode) == 0o604


def test_it_is_seen_only_whole(place: Path) -> None:
    """Whoever looks all the time sees the final mode and owner, or nothing."""
    need_root("to give files away")
    stop = place / "stop"

    def watch() -> None:
        while not stop.exists():
            try:
                status = os.stat(place / "made")
            except FileNotFoundError:
                continue
            assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o640, USER)

    with other_process(watch):
        for _ in range(300):
            only_one(opened_file(spec_of(place, more={"owner": OWN}), a_peer(USER))).close()
            os.unlink(place / "made")
        stop.touch()


@both_ways
def test_nothing_is_replaced(place: Path, monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    way(monkeypatch)
    (place / "made").symlink_to("elsewhere")
    with (
        OwnedFd(os.open(place, os.O_PATH | os.O_CLOEXEC)) as directory,
        pytest.raises(FileExistsError),
    ):
        create(directory.fileno(), "made", os.O_WRONLY, Creation(0o600), a_peer())
    assert os.listdir(place) == ["made"]
    assert os.readlink(place / "made") == "elsewhere"


def test_two_who_race_have_one_file(place: Path) -> None:
    spec = spec_of(place, access="append")
    for turn in range(40):
        go, says = os.pipe2(os.O_CLOEXEC)

        def append(go: int = go) -> None:
            os.read(go, 1)
            with only_one(opened_file(spec)) as one:
                os.write(one.fileno(), b"x")

        both = [start(append), start(append)]
        os.write(says, b"gg")
        for pid, said in both:
            os.waitpid(pid, 0)
            assert os.read(said, 4096) == b"", f"in turn {turn}"
            os.close(said)
        os.close(go)
        os.close(says)
        assert (place / "made").read_bytes() == b"xx"
        os.unlink(place / "made")


def _of_nobody(peer: Peer) -> Creation:
    """Return what judge_origin refuses in a directory that others can write."""
    assert peer.uid != OTHER
    return Creation(0o600, owner=OTHER)


@both_ways
def test_what_could_not_be_opened_again_is_not_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    need_root("to give files away")
    way(monkeypatch)
    os.chmod(place, 0o777)  # noqa: S103 (what is tested)
    peer = a_peer(USER)
    with (
        OwnedFd(os.open(place, os.O_PATH | os.O_CLOEXEC)) as directory,
        pytest.raises(PermissionError),
    ):
        create(directory.fileno(), "made", os.O_WRONLY, _of_nobody(peer), peer)
    assert os.listdir(place) == []


@both_ways
def test_what_cannot_be_dressed_is_not_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """A broker without CAP_CHOWN."""
    need_root("to be a user with a directory")
    way(monkeypatch)
    os.chown(place, USER, USER)

    def make() -> None:
        with pytest.raises(PermissionError):
            opened_file(spec_of(place, more={"owner": OTHER}), a_peer(USER))

    in_child(make, uid=USER)
    assert os.listdir(place) == []


@pytest.mark.parametrize("target", ["missing", "/tmp/fdb-never-made"])
def test_nothing_is_made_through_a_link(place: Path, target: str) -> None:
    need_root("to make a link of somebody else's")
    (place / "made").symlink_to(target)
    os.lchown(place / "made", USER, USER)
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        opened_file(spec_of(place))
    assert refused.value.errno in {errno.ELOOP, errno.EXDEV}
    assert os.listdir(place) == ["made"]
    assert not os.path.exists("/tmp/fdb-never-made")


def test_a_link_of_ours_leads_to_where_it_is_made(place: Path) -> None:
    (place / "made").symlink_to("target")
    only_one(opened_file(spec_of(place))).close()
    assert stat.S_ISREG(os.lstat(place / "target").st_mode)


def test_a_directory_that_is_missing_stays_so(place: Path) -> None:
    creation = Values({"mode": 0o600})
    spec = file_spec(root=str(place), path="no/made", access="write", create=creation)
    with pytest.raises(FileNotFoundError):
        opened_file(spec)
    assert os.listdir(place) == []
