# SPDX-License-Identifier: MIT
"""Booted machines for the tests; skipped where there can be none, which in CI is a failure."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.needs import cannot

from .machine import Machine
from .project import install
from .service import SOCKET, UNIT, restore
from .tree import debian_tree, need_machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def tree() -> Path:
    """Return the Debian 13 tree that tools/make-tree made."""
    return debian_tree()


@pytest.fixture(scope="session")
def machine(tree: Path) -> Iterator[Machine]:
    """Return Debian 13 with the project installed and nothing of it started; all tests share it."""
    with Machine(tree) as machine:
        install(machine)
        yield machine


@pytest.fixture
def sockets(machine: Machine) -> Iterator[Machine]:
    """Return the machine with the sockets listening and the service not running."""
    machine.systemctl("start", SOCKET)
    yield machine
    restore(machine)


@pytest.fixture
def service(sockets: Machine) -> Machine:
    """Return the machine with the service running."""
    sockets.systemctl("start", UNIT)
    return sockets


@pytest.fixture(scope="session")
def old_machine() -> Iterator[Machine]:
    """Return this system's own systemd, with this interpreter's packages where they fit."""
    need_machine()
    if not Path("/usr/lib/systemd/systemd").exists():
        cannot("this system has no systemd of its own")
    with Machine("/", site=_site()) as machine:
        install(machine)
        yield machine


def _site() -> Path:
    """Return our packages: Debian 12 has no msgspec, and ours fits one version of Python only."""
    script = "import sysconfig; print(sysconfig.get_python_version())"
    system = subprocess.run(
        ["/usr/bin/python3", "-Ic", script], capture_output=True, text=True, check=False
    ).stdout.strip()
    ours = sysconfig.get_python_version()
    if system != ours:
        cannot(f"the system's Python {system} does not fit the packages of this one, {ours}")
    return Path(sysconfig.get_path("purelib"))
