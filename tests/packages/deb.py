# SPDX-License-Identifier: MIT
"""The Debian packages of this checkout, and a machine that they are installed in."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.booted.project import REPOSITORY
from tests.booted.tree import need_machine, trees
from tests.manual.blocks import blocks
from tests.needs import cannot, need_tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.booted.machine import Machine

NAMES = ("fdbroker-client", "fdbrokerd", "python3-fdbrokerd")

PLACE = "/srv/packages"
"""Where they are in a machine."""

APT_SECONDS = 120
"""Far above the few seconds that apt takes: only a hang gets here."""

UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive"}

NEWER = "99.0-1"

# Packs what is installed again, as packages of a later release: another version in the modules,
# and units that systemd has to read again.
MAKE_NEWER = """
cd "$1"
version=$(dpkg-deb --field fdbrokerd_*.deb Version)
mkdir newer
for package in *.deb; do
    name=${package%%_*}
    dpkg-deb --raw-extract "$package" "$name"
    sed -i "s/$version/$2/g" "$name/DEBIAN/control"
done
echo '__version__ = "99.0"' >python3-fdbrokerd/usr/lib/python3/dist-packages/fdbrokerd/version.py
for unit in fdbrokerd/usr/lib/systemd/system/*; do echo '# Newer.' >>"$unit"; done
for name in fdbrokerd fdbroker-client python3-fdbrokerd; do
    dpkg-deb --build --root-owner-group "$name" newer
    rm -r "$name"
done
"""


@dataclass(frozen=True)
class Packages:
    """The packages, by their names, and the directory that they and those of others are in."""

    directory: Path
    files: dict[str, Path]

    def bring(self, machine: Machine) -> None:
        """Put them into a machine, at PLACE."""
        machine.write({f"{PLACE}/{file.name}": file.read_bytes() for file in self.files.values()})

    def install(self, machine: Machine) -> None:
        """Bring and install them, as the README says."""
        self.bring(machine)
        command = f"cd {PLACE} && {readme()[0]}"
        machine.run("sh", "-euc", command, environment=UNATTENDED, timeout=APT_SECONDS)


def readme() -> list[str]:
    """Return the commands of the README from the installation on."""
    (block,) = [one for one in blocks(REPOSITORY / "README.md") if "\napt install" in one.text]
    first, *commands = block.text.splitlines()
    assert first == 'cd "$(tools/build-packages)"'
    return commands


def build() -> Packages:
    """Return the packages of this checkout as it is."""
    need_machine()
    need_tool("dpkg-deb")
    if not (trees() / "trixie-packages/.fdbrokerd-tree").exists():
        cannot("there is no tree to build packages in: run tools/build-packages")
    tool = REPOSITORY / "tools/build-packages"
    built = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    directory = REPOSITORY / built
    return Packages(directory, {name: _only(directory, f"{name}_*.deb") for name in NAMES})


def _only(directory: Path, pattern: str) -> Path:
    (file,) = directory.glob(pattern)
    return file


def upgrade(machine: Machine) -> None:
    """Make later versions of the packages at PLACE, and install them."""
    machine.run("sh", "-euc", MAKE_NEWER, "sh", PLACE, NEWER)
    newer = machine.run("sh", "-c", f"echo {PLACE}/newer/*.deb").stdout.split()
    apt(machine, "install", *newer)


def apt(machine: Machine, *arguments: str) -> str:
    """Run apt in a machine, which has no network; return what it says."""
    result = machine.run(
        "apt-get",
        "--yes",
        *arguments,
        environment=UNATTENDED,
        timeout=APT_SECONDS,
    )
    return result.stdout + result.stderr
