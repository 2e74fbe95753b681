# SPDX-License-Identifier: MIT
"""What is in the Debian packages: all that a checkout installs, where it belongs, as it is."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

import fdbrokerd
from tests.booted.project import MODULES, PLACES, REPOSITORY

from .deb import NAMES

if TYPE_CHECKING:
    from .deb import Packages

pytestmark = pytest.mark.timeout(300)

PROGRAMS = {
    "fdbrokerd": {"fdbrokerd"},
    "fdbroker-client": {"fdbroker-get", "fdbroker-put", "fdbrokerctl"},
    "python3-fdbrokerd": set[str](),
}

COMPLETIONS = {
    "bash": "/usr/share/bash-completion/completions",
    "zsh": "/usr/share/zsh/vendor-completions",
    "fish": "/usr/share/fish/vendor_completions.d",
}


@pytest.fixture(scope="module")
def contents(packages: Packages) -> dict[str, dict[str, bytes]]:
    """Return the files of each package by their paths."""
    return {name: _files(packages, name) for name in NAMES}


def _files(packages: Packages, name: str) -> dict[str, bytes]:
    command = ["dpkg-deb", "--fsys-tarfile", str(packages.files[name])]
    data = subprocess.check_output(command)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            assert (member.uid, member.gid) == (0, 0)
            assert not member.mode & 0o6022, member.name
            extracted = tar.extractfile(member) if member.isfile() else None
            if extracted is not None:
                files[member.name.removeprefix(".")] = extracted.read()
    return files


def field(packages: Packages, package: str, name: str) -> str:
    """Return a field of a package's control file."""
    command = ["dpkg-deb", "--field", str(packages.files[package]), name]
    return subprocess.check_output(command, text=True).strip()


def test_no_file_is_in_two(contents: dict[str, dict[str, bytes]]) -> None:
    paths = [path for files in contents.values() for path in files]
    assert len(paths) == len(set(paths))


def test_the_modules_are_those_of_the_checkout(contents: dict[str, dict[str, bytes]]) -> None:
    package = REPOSITORY / "fdbrokerd"
    here = {
        f"{MODULES}/fdbrokerd/{path.relative_to(package)}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    there = contents["python3-fdbrokerd"].items()
    assert {path: data for path, data in there if f"{MODULES}/fdbrokerd/" in path} == here


@pytest.mark.parametrize("name", NAMES)
def test_the_programs_start_as_they_are_written(
    contents: dict[str, dict[str, bytes]], name: str
) -> None:
    programs = {path: data for path, data in contents[name].items() if path.startswith("/usr/bin/")}
    written = REPOSITORY / "packaging/programs"
    assert programs == {
        f"/usr/bin/{program}": (written / program).read_bytes() for program in PROGRAMS[name]
    }


def test_the_daemon_has_its_units_and_files(contents: dict[str, dict[str, bytes]]) -> None:
    files = contents["fdbrokerd"]
    for source, place in PLACES.items():
        assert files[place] == (REPOSITORY / source).read_bytes(), place
    for drop_in in (REPOSITORY / "systemd/drop-ins").glob("*"):
        assert files[f"/usr/share/fdbrokerd/drop-ins/{drop_in.name}"] == drop_in.read_bytes()
    for example in (REPOSITORY / "config/examples").iterdir():
        assert files[f"/usr/share/doc/fdbrokerd/examples/{example.name}"] == example.read_bytes()
    assert "/usr/lib/systemd/system-preset/50-fdbrokerd.preset" in files


def test_the_pages_are_there_compressed(contents: dict[str, dict[str, bytes]]) -> None:
    there = {path for files in contents.values() for path in files}
    for source in (REPOSITORY / "docs/man").glob("*.scd"):
        assert f"/usr/share/man/man{source.stem[-1]}/{source.stem}.gz" in there


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_the_completions_are_where_shells_look(
    contents: dict[str, dict[str, bytes]], shell: str
) -> None:
    there = {path: data for files in contents.values() for path, data in files.items()}
    for file in (REPOSITORY / "completions" / shell).iterdir():
        assert there[f"{COMPLETIONS[shell]}/{file.name}"] == file.read_bytes()


def test_the_version_is_the_modules(packages: Packages) -> None:
    for name in NAMES:
        assert field(packages, name, "Version").rpartition("-")[0] == fdbrokerd.__version__


def test_what_a_client_needs_is_not_the_daemon(packages: Packages) -> None:
    library = {one.split()[0] for one in field(packages, "fdbroker-client", "Depends").split(", ")}
    assert library == {"python3-fdbrokerd", "python3:any"}
    assert "fdbrokerd" not in field(packages, "python3-fdbrokerd", "Depends").split(", ")
    assert field(packages, "fdbrokerd", "Recommends") == "python3-uvloop"
