# SPDX-License-Identifier: MIT
"""The units as systemd reads them: nothing unknown but what is known to be newer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .project import REPOSITORY
from .service import SOCKET, UNIT, restore, shipped_drop_in

if TYPE_CHECKING:
    from .machine import Machine

NEWER = {
    "machine": {"AcceptFileDescriptors"},
    "old_machine": {
        "AcceptFileDescriptors",
        "FileDescriptorStorePreserve",
        "RestartSteps",
        "RestartMaxDelaySec",
    },
}
"""Keys that the systemd of each machine ignores with a warning."""


@pytest.mark.parametrize("fixture", NEWER)
def test_every_line_is_understood(machine: Machine, old_machine: Machine, fixture: str) -> None:
    machine = {"machine": machine, "old_machine": old_machine}[fixture]
    for unit in (UNIT, SOCKET):
        result = machine.run("systemd-analyze", "verify", "--man=no", unit)
        complaints = (result.stdout + result.stderr).splitlines()
        pattern = r".*: Unknown key '(\w+)' in section \[\w+\], ignoring\."
        unknown = [re.fullmatch(pattern, line) for line in complaints]
        assert {
            match[1] if match else line for match, line in zip(unknown, complaints, strict=True)
        } <= (NEWER[fixture])


EXPOSURE = {
    (): 14,
    ("10-files-read.conf",): 20,
    ("20-files-write.conf",): 20,
    ("30-socketpair.conf",): 20,
    ("40-exe.conf",): 20,
    ("50-audit-file.conf",): 14,
    ("20-files-write.conf", "30-socketpair.conf"): 20,
}
"""The most that systemd may say of the service with these drop-ins, in tenths."""


@pytest.mark.parametrize("names", EXPOSURE)
def test_the_sandbox_does_not_get_weaker(machine: Machine, names: tuple[str, ...]) -> None:
    try:
        for name in names:
            shipped_drop_in(machine, name)
        limit = f"--threshold={EXPOSURE[names]}"
        machine.run("systemd-analyze", "security", "--offline=yes", limit, UNIT)
    finally:
        restore(machine)


def test_nor_with_an_older_systemd(old_machine: Machine) -> None:
    try:
        shipped_drop_in(old_machine, "90-systemd-252.conf")
        old_machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=16", UNIT)
    finally:
        restore(old_machine)


def test_every_drop_in_is_accounted_for() -> None:
    shipped = {path.name for path in (REPOSITORY / "systemd/drop-ins").iterdir()}
    assert shipped == {name for names in EXPOSURE for name in names} | {"90-systemd-252.conf"}


@pytest.mark.parametrize("name", sorted({name for names in EXPOSURE for name in names}))
def test_every_line_of_a_drop_in_is_understood(machine: Machine, name: str) -> None:
    try:
        shipped_drop_in(machine, name)
        result = machine.run("systemd-analyze", "verify", "--man=no", UNIT)
        assert name not in result.stdout + result.stderr
    finally:
        restore(machine)


def test_the_account_exists(machine: Machine) -> None:
    assert machine.run("id", "-u", "_fdbroker").stdout.strip().isdigit()
