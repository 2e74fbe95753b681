# SPDX-License-Identifier: MIT
"""Only what nobody else can change is believed."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.trusted_path import MAX_FILE_BYTES, MAX_LINKS, controlled, is_null, names, read

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chown")
STRANGER = 4711


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file in a directory of its own."""
    (tmp_path / "rules.d").mkdir()
    path = tmp_path / "rules.d" / "a.yaml"
    path.write_text("text")
    return path


def refusal(function: Callable[[str], object], path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        function(str(path))
    return str(caught.value)


def test_reads(file: Path) -> None:
    assert read(str(file)) == b"text"
    assert list(names(str(file.parent))) == ["a.yaml"]
    assert controlled(str(file))


def test_relative_paths_begin_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert read("a.yaml") == b"text"
    assert read("../rules.d/./a.yaml") == b"text"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_may_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert (
        refusal(read, file) == f"{file}: others than its owner may write to it: chmod go-w {file}"
    )


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_directory_that_others_may_write(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    said = f"{file.parent}: others than its owner may write to it: chmod go-w {file.parent}"
    assert refusal(read, file) == said
    assert refusal(names, file.parent) == said
    assert not controlled(str(file))


def test_a_sticky_directory_on_the_way_is_fine_but_holds_no_rules(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert read(str(file)) == b"text"
    assert "others than its owner" in refusal(names, file.parent)
    assert controlled(str(file.parent))


def test_what_a_path_leads_to_may_be_writable(file: Path) -> None:
    """For `controlled` it is only asked who can put something else in its place."""
    file.chmod(0o666)
    assert controlled(str(file))


@needs_root
def test_a_strangers_file(file: Path) -> None:
    os.chown(file, STRANGER, STRANGER)
    assert refusal(read, file) == (
        f"{file}: belongs to uid 4711, not to uid 0: chown -h root {file}"
    )
    assert controlled(str(file))
    file.parent.chmod(0o1777)
    assert not controlled(str(file))


@needs_root
def test_a_strangers_directory(file: Path) -> None:
    os.chown(file.parent, STRANGER, STRANGER)
    said = f"{file.parent}: belongs to uid 4711"
    assert refusal(read, file).startswith(said)
    assert refusal(names, file.parent).startswith(said)
    assert not controlled(str(file))


@needs_root
def test_a_strangers_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read(str(link)) == b"text"
    os.lchown(link, STRANGER, STRANGER)
    assert refusal(read, link).startswith(f"{link}: belongs to uid 4711")
    assert not controlled(str(link))


@needs_root
def test_a_link_into_a_strangers_directory(file: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "b.yaml").write_text("x")
    os.chown(theirs, STRANGER, STRANGER)
    link = file.parent / "b.yaml"
    link.symlink_to("../theirs/b.yaml")
    assert refusal(read, link).startswith(f"{theirs}: belongs to uid 4711")


@needs_root
def test_a_strangers_name_in_a_sticky_directory(tmp_path: Path) -> None:
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "d").mkdir()
    (sticky / "d" / "a").write_text("x")
    assert read(str(sticky / "d" / "a")) == b"x"
    os.chown(sticky / "d", STRANGER, STRANGER)
    assert refusal(read, sticky / "d" / "a").startswith(f"{sticky}/d: belongs to uid 4711")
    assert not controlled(str(sticky / "d"))


def test_links(file: Path, tmp_path: Path) -> None:
    (tmp_path / "to-directory").symlink_to("rules.d/")
    (tmp_path / "absolute").symlink_to(tmp_path / "to-directory")
    assert read(str(tmp_path / "absolute" / "a.yaml")) == b"text"
    assert read(str(tmp_path / "absolute" / ".." / "rules.d" / "a.yaml")) == b"text"
    assert list(names(str(tmp_path / "absolute"))) == [file.name]


def test_too_many_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert f"more than {MAX_LINKS} links" in refusal(read, tmp_path / "a")


def test_missing(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("missing")
    for name in ("missing", "missing/a", "dangling"):
        for function in (read, names, is_null):
            with pytest.raises(FileNotFoundError):
                function(str(tmp_path / name))
        assert not controlled(str(tmp_path / name))


def test_a_file_is_no_directory(file: Path) -> None:
    assert refusal(names, file) == f"{file}: is not a directory"
    assert refusal(read, file / "x") == f"{file}/x: cannot be opened: Not a directory"


def test_nothing_but_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for name in ("fifo", "socket", "."):
        assert refusal(read, tmp_path / name).endswith("is not a regular file")
    assert refusal(read, Path("/dev/null")) == "/dev/null: is not a regular file"


def test_null(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mask").symlink_to("/dev/null")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert is_null(str(tmp_path / "mask"))
    assert not is_null(str(tmp_path / "zero"))
    assert not is_null(str(file))


def test_size(file: Path) -> None:
    file.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(read(str(file))) == MAX_FILE_BYTES
    file.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    assert refusal(read, file) == f"{file}: is longer than {MAX_FILE_BYTES} bytes"


def test_a_path_with_a_nul(tmp_path: Path) -> None:
    assert "NUL" in refusal(read, tmp_path / "a\0b")


def test_acls_show_in_the_groups_bits(file: Path) -> None:
    # An ACL entry u:4711:rw- with the mask rw-, as setfacl(1) writes it (acl(5)).
    acl = bytes.fromhex("02000000 01000600ffffffff 0200060067120000 04000400ffffffff "
                        "10000600ffffffff 20000400ffffffff")  # fmt: skip
    try:
        os.setxattr(file, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("the file system has no ACLs")
    assert "others than its owner may write" in refusal(read, file)


def grow(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("more")


@pytest.mark.parametrize(
    "change",
    [grow, lambda file: file.write_text("txet"), lambda file: os.truncate(file, 2)],
    ids=["longer", "another", "shorter"],
)
def test_a_file_that_is_written_while_it_is_read(
    file: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a file may be good rules: those before the deny that is still to be written."""
    real = os.read

    def changing(number: int, length: int) -> bytes:
        if not (data := real(number, length)):
            change(file)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", changing)
        assert refusal(read, file) == f"{file}: was written to while it was read: load it again"
    assert read(str(file)) == file.read_bytes()


def test_a_file_that_grows_without_end_is_read_to_its_limit(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.read

    def growing(number: int, length: int) -> bytes:
        with file.open("ab") as stream:
            stream.write(bytes(10_000))
        return real(number, length)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", growing)
        assert refusal(read, file) == f"{file}: is longer than {MAX_FILE_BYTES} bytes"


def test_a_file_that_is_replaced_while_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened and judged is what is read, whatever has its name by now."""
    real = os.read

    def replacing(number: int, length: int) -> bytes:
        other = file.parent / "other"
        other.write_text("other")
        other.rename(file)
        return real(number, length)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", replacing)
        with pytest.raises(ConfigurationError):  # it has lost its name, which changes its ctime
            read(str(file))
    assert read(str(file)) == b"other"
