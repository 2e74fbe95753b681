# SPDX-License-Identifier: MIT
"""Where files are attacked: a root of ours with a directory in it that USER can write."""

import os
from pathlib import Path

import pytest

from fdbrokerd.kinds.file_spec import FileSpec
from tests.needs import need_root

from .made import OTHER, USER, a_peer, file_spec, only_one, opened_file

SECRET = b"secret of root"
INSIDE = b"inside"


def a_root(place: Path) -> Path:
    """Return the root; beside it lies a secret that only its owner, root, can read."""
    need_root("directories of several users")
    (place / "secret").write_bytes(SECRET)
    os.chmod(place / "secret", 0o600)
    root = place / "root"
    for directory in (root, root / "ours", root / "theirs"):
        directory.mkdir(mode=0o755)
    (root / "ours" / "file").write_bytes(INSIDE)
    (root / "theirs" / "file").write_bytes(b"theirs")
    for path in (root / "theirs", root / "theirs" / "file"):
        os.chown(path, USER, USER)
    return root


def of(root: Path, path: str, **keys: object) -> FileSpec:
    return file_spec(root=str(root), path=path, **keys)


def content(spec: FileSpec, uid: int = OTHER) -> bytes:
    with only_one(opened_file(spec, a_peer(uid))) as one:
        return os.read(one.fileno(), 99)


def failure(spec: FileSpec, uid: int = OTHER) -> int:
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        opened_file(spec, a_peer(uid))
    return refused.value.errno or 0
