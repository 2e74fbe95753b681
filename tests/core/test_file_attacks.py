# SPDX-License-Identifier: MIT
"""Links and names as an attacker lays them out below a root."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fdbrokerd.model.key import Values

from .grounds import INSIDE, SECRET, a_root, content, failure, of
from .made import OTHER, USER, a_peer, file_spec, only_one, opened_file


@pytest.fixture
def root(place: Path) -> Path:
    return a_root(place)


def link(target: str, owner: int = 0) -> Callable[[Path], None]:
    """Return what makes a symbolic link of somebody's."""

    def make(path: Path) -> None:
        path.symlink_to(target)
        os.lchown(path, owner, owner)

    return make


LINKS = [
    # where, what, error (None: it is followed to the file inside)
    ("ours/link", link("file"), None),
    ("ours/link", link("./../ours//file"), None),
    ("ours/link", link("../ours/../ours/file"), None),
    ("ours/link", link("../../root/ours/file"), errno.EXDEV),
    ("ours/link", link("../../secret"), errno.EXDEV),
    ("ours/link", link("/etc/passwd"), errno.EXDEV),
    ("ours/link", link("/"), errno.EXDEV),
    ("ours/link", link("link"), errno.ELOOP),
    ("ours/link", link("missing"), errno.ENOENT),
    ("ours/link", link("."), errno.EISDIR),
    ("ours/link", link(".."), errno.EISDIR),
    ("ours/link", link("../ours/.."), errno.EISDIR),
    ("ours/link", link("../ours/"), errno.ENOENT),
    ("ours/link", link("../.."), errno.EXDEV),
    ("ours/link", link("file/.."), errno.ENOTDIR),
    ("ours/link", link("/proc/self/root/etc/passwd"), errno.EXDEV),
    ("ours/link", link("file", USER), errno.ELOOP),
    ("ours/link", link("file", OTHER), errno.ELOOP),
    ("theirs/link", link("../ours/file"), None),
    ("theirs/link", link("../ours/file", USER), errno.ELOOP),
    ("theirs/link", link("../../secret", USER), errno.ELOOP),
    ("theirs/link", link("/etc/shadow", USER), errno.ELOOP),
]


@pytest.mark.parametrize(("where", "make", "code"), LINKS)
def test_links(root: Path, where: str, make: Callable[[Path], None], code: int | None) -> None:
    make(root / where)
    if code is None:
        assert content(of(root, where)) == INSIDE
    else:
        assert failure(of(root, where)) == code


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (link("ours"), None),
        (link("../root/ours"), errno.EXDEV),
        (link("../../root/ours"), errno.EXDEV),
        (link("theirs/../ours"), None),
        (link("/etc"), errno.EXDEV),
        (link("ours", USER), errno.ELOOP),
        (link("ours/file"), errno.ENOTDIR),
    ],
)
def test_links_on_the_way(root: Path, make: Callable[[Path], None], code: int | None) -> None:
    make(root / "way")
    if code is None:
        assert content(of(root, "way/file")) == INSIDE
    else:
        assert failure(of(root, "way/file")) == code


def test_a_link_of_roots_with_a_second_name_is_not_believed(root: Path) -> None:
    """USER can make that name wherever it leads somewhere else."""
    (root / "ours" / "link").symlink_to("../file")
    os.link(root / "ours" / "link", root / "theirs" / "link", follow_symlinks=False)
    assert failure(of(root, "theirs/link")) == errno.ELOOP


def test_many_links_are_too_many(root: Path) -> None:
    for number in range(45):
        (root / f"l{number}").symlink_to(f"l{number + 1}" if number < 44 else "ours/file")
    assert failure(of(root, "l0")) == errno.ELOOP
    assert content(of(root, "l20")) == INSIDE


def test_without_a_root_no_link_is_followed(root: Path) -> None:
    (root / "ours" / "link").symlink_to("file")
    assert failure(file_spec(path=f"{root}/ours/link")) == errno.ELOOP
    assert content(file_spec(path=f"{root}/ours/file")) == INSIDE


@pytest.mark.parametrize(
    ("owner", "mode", "code"),
    [(USER, 0o755, errno.EACCES), (0, 0o777, errno.EACCES), (0, 0o1777, errno.EACCES),
     (0, 0o775, errno.EACCES), (0, 0o755, None)],
)  # fmt: skip
@pytest.mark.parametrize("access", ["read", "write", "append"])
def test_a_hard_link_where_others_can_write(
    root: Path, owner: int, mode: int, code: int | None, access: str
) -> None:
    os.link(root.parent / "secret", root / "theirs" / "link")
    os.chown(root / "theirs", owner, owner)
    os.chmod(root / "theirs", mode)
    spec = of(root, "theirs/link", access=access)
    for uid in (OTHER, USER):
        if code is None:
            only_one(opened_file(spec, a_peer(uid))).close()
        else:
            assert failure(spec, uid) == code


def test_the_owner_of_a_directory_alone_can_offer_its_own_files(root: Path) -> None:
    assert content(of(root, "theirs/file")) == b"theirs"
    os.chmod(root / "theirs", 0o775)  # noqa: S103 (what is tested)
    assert failure(of(root, "theirs/file")) == errno.EACCES
    assert content(of(root, "theirs/file"), USER) == b"theirs"


@pytest.mark.parametrize("name", ["n" * 256, "é" * 255])
@pytest.mark.parametrize("access", ["read", "write"])
def test_a_name_too_long_for_the_file_system(root: Path, name: str, access: str) -> None:
    create = {"create": Values({"mode": 0o600})} if access == "write" else {}
    assert failure(of(root, name, access=access, **create)) == errno.ENAMETOOLONG


def test_a_root_in_somebodys_directory_cannot_be_swapped_for_another(root: Path) -> None:
    """Whoever owns a part of the root's path could otherwise have it be a directory of root's."""
    outside = root.parent / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").write_bytes(SECRET)
    theirs = root / "theirs" / "public"
    theirs.mkdir()
    os.chown(theirs, USER, USER)
    (theirs / "file").write_bytes(INSIDE)
    os.chown(theirs / "file", USER, USER)
    spec = of(theirs, "file")
    assert content(spec) == INSIDE
    theirs.rename(root / "theirs" / "moved")
    theirs.symlink_to(outside)
    assert failure(spec) == errno.ELOOP
