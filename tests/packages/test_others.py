# SPDX-License-Identifier: MIT
"""The packages for RPM and Arch: the same files as Debian's, built by the same tool."""

from __future__ import annotations

import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .deb import Packages

pytestmark = pytest.mark.timeout(300)

ELSEWHERE = ("/usr/share/doc/", "/usr/share/licenses/", "/usr/share/lintian/")
"""Where each distribution has its own rules."""


def comparable(paths: list[str]) -> set[str]:
    """Return the paths of files that every distribution has, as RPM and Arch call them."""
    return {
        path.replace("/zsh/vendor-completions/", "/zsh/site-functions/")
        for path in paths
        if not path.startswith(ELSEWHERE) and "__pycache__" not in path and ".dist-info" not in path
    }


@pytest.fixture(scope="module")
def ours(packages: Packages) -> set[str]:
    """Return the files of the Debian packages."""
    paths: list[str] = []
    for file in packages.files.values():
        listed = subprocess.check_output(["dpkg-deb", "--contents", str(file)], text=True)
        lines = [line.split()[5] for line in listed.splitlines() if not line.startswith("d")]
        paths += [path.removeprefix(".") for path in lines]
    return comparable(paths)


def test_arch_has_the_same(packages: Packages, ours: set[str]) -> None:
    (package,) = packages.directory.glob("fdbrokerd-*.pkg.tar.gz")
    with tarfile.open(package) as tar:
        members = tar.getmembers()
    about = {".BUILDINFO", ".MTREE", ".PKGINFO"}
    paths = [f"/{one.name}" for one in members if not one.isdir() and one.name not in about]
    assert comparable(paths) == ours
    assert {(one.uid, one.gid) for one in members} == {(0, 0)}


def test_rpm_has_the_same(packages: Packages, ours: set[str]) -> None:
    listed = comparable((packages.directory / "rpm-files").read_text().splitlines())
    # Directories are among them.
    directories = {path.rpartition("/")[0] for path in listed}
    assert len(list(packages.directory.glob("*.noarch.rpm"))) == 3
    assert listed - directories - {"/etc/fdbrokerd/rules.d"} == ours
