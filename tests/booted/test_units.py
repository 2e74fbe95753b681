# SPDX-License-Identifier: MIT
"""The units as systemd reads them: nothing unknown but what is known to be newer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .service import SOCKET, UNIT

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


@pytest.mark.parametrize("fixture", NEWER)
def test_the_sandbox_does_not_get_weaker(
    machine: Machine, old_machine: Machine, fixture: str
) -> None:
    machine = {"machine": machine, "old_machine": old_machine}[fixture]
    # 3.3 of 10: the rest is what opening any file as root needs.
    machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=34", UNIT)


def test_the_account_exists(machine: Machine) -> None:
    assert machine.run("id", "-u", "_fdbroker").stdout.strip().isdigit()
