# SPDX-License-Identifier: MIT
"""Which paths lead into a file system that may keep us waiting, asked of none of them."""

from pathlib import Path

import pytest

from fdbrokerd.judge import mounts
from fdbrokerd.kinds.local import is_local, may_hang


@pytest.fixture
def hanging(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is said to be of FUSE."""
    path = place / "mounted"
    path.mkdir()
    systems = {**mounts.by_place(), str(path): "fuse.sshfs", str(path / "again"): "tmpfs"}
    monkeypatch.setattr(mounts, "by_place", lambda: systems)
    (place / "link").symlink_to("mounted/below")
    (place / "absolute").symlink_to(path)
    (place / "out").symlink_to("mounted/../beside")
    (place / "loop").symlink_to("loop")
    (place / "beside").mkdir()
    (place / "near").symlink_to("./beside/../beside")
    return path


@pytest.mark.parametrize(
    ("path", "hangs"),
    [
        ("", False),
        ("mounted", True),
        ("mounted/below/more", True),
        ("mounted/again", True),
        ("mounted2", False),
        ("link", True),
        ("link/x", True),
        ("absolute/x", True),
        ("out", True),
        ("loop/x", False),
        ("beside/x", False),
        ("near/x", False),
        ("missing/x", False),
    ],
)
def test_what_may_hang(hanging: Path, path: str, hangs: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert may_hang(str(hanging.parent / path)) is hangs


def test_a_place_is_told_as_it_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Blanks and newlines are escaped (proc(5)), and the last line about a place counts."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n"
        "2 1 0:5 / /a\\040b rw - tmpfs none rw\n"
        "3 2 0:6 / /a\\040b rw master:1 shared:2 - fuse.x x rw\n"
    )
    monkeypatch.setattr(mounts, "OWN_TABLE", str(table))
    assert mounts.by_place() == {"/": "ext4", "/a b": "fuse.x"}


def test_what_is_here(place: Path) -> None:
    assert is_local(str(place)) or may_hang(str(place))
    assert not may_hang("/proc/self")
