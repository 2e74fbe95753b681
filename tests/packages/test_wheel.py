# SPDX-License-Identifier: MIT
"""The sdist and the wheel made of it: what is in them, and the programs as pip installs them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import fdbrokerd
from tests.booted.project import REPOSITORY
from tests.needs import need_tool

if TYPE_CHECKING:
    from pathlib import Path

VERSION = fdbrokerd.__version__
DATA = f"fdbrokerd-{VERSION}.data"
SHARED = ("config", "systemd")
"""What is below share/fdbrokerd, and at the top of the checkout."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the sdist, and the wheel that was made of the sdist."""
    need_tool("scdoc")
    place = tmp_path_factory.mktemp("archives")
    # Not in the checkout, where a directory is called build.
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(place),
        str(REPOSITORY),
    ]
    subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=place)
    return place


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Path:
    """Return the wheel."""
    return archives / f"fdbrokerd-{VERSION}-py3-none-any.whl"


def checkout(*parts: str) -> dict[str, bytes]:
    """Return the files of directories of the checkout, by their paths in it."""
    return {
        str(path.relative_to(REPOSITORY)): path.read_bytes()
        for part in parts
        for path in (REPOSITORY / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_sdist_holds_all_that_a_package_is_made_of(archives: Path) -> None:
    top = f"fdbrokerd-{VERSION}"
    with tarfile.open(archives / f"{top}.tar.gz") as tar:
        names = {name.removeprefix(f"{top}/") for name in tar.getnames()}
    parts = ("fdbrokerd", "config", "systemd", "packaging", "docs", "completions", "examples")
    assert checkout(*parts, "tests", "tools").keys() <= names
    # The pages come ready to read, for who has no scdoc.
    pages = {f"docs/man/{source.stem}" for source in (REPOSITORY / "docs/man").glob("*.scd")}
    assert {"LICENSE", "NEWS.md", "README.md", "pyproject.toml"} | pages <= names


def test_the_wheel_holds_modules_and_data_as_they_are(wheel: Path) -> None:
    wanted = checkout("fdbrokerd")
    for path, data in checkout(*SHARED).items():
        wanted[f"{DATA}/data/share/fdbrokerd/{path}"] = data
    for path, data in checkout("packaging/pip").items():
        wanted[f"{DATA}/scripts/{path.rpartition('/')[2]}"] = data
    pages = {
        f"{DATA}/data/share/man/man{source.stem[-1]}/{source.stem}"
        for source in (REPOSITORY / "docs/man").glob("*.scd")
    }
    completions = tuple(f"{DATA}/data/share/{one}/" for one in ("bash-completion", "zsh", "fish"))
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert {path: found.get(path) for path in wanted} == wanted
    assert pages <= found.keys()
    known = wanted.keys() | pages
    rest = {name for name in found.keys() - known if not name.startswith(completions)}
    assert {name.split("/")[0] for name in rest} == {f"fdbrokerd-{VERSION}.dist-info"}


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment with the wheel, and nothing of what it depends on."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = place / "bin/python3"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(command, check=True)
    return place


@pytest.mark.parametrize("program", ["fdbroker-get", "fdbroker-put"])
def test_the_clients_start_without_site(environment: Path, program: str, tmp_path: Path) -> None:
    """Called by a link, too, as the README puts one into /usr/bin."""
    link = tmp_path / program
    link.symlink_to(environment / "bin" / program)
    for called in (environment / "bin" / program, link):
        result = subprocess.run(
            [called, "--version"],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONPROFILEIMPORTTIME": "1"},
        )
        assert result.stdout == f"{program} {VERSION}\n"
        # Isolated: what the environment asks Python for is not done.
        assert result.stderr == ""
    loaded = subprocess.run(
        [
            environment / "bin/python3",
            "-ISX",
            "importtime",
            environment / "bin" / program,
            "--version",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
    assert f"fdbrokerd.cli.{program.removeprefix('fdbroker-')}" in modules
    assert "site" not in modules


def test_the_data_is_where_the_readme_says(environment: Path) -> None:
    for path, data in checkout(*SHARED).items():
        assert (environment / "share/fdbrokerd" / path).read_bytes() == data
