# SPDX-License-Identifier: MIT
"""The main job under this system's own, older systemd, with the drop-in that ships for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .service import SOCKET, UNIT, restore, rule_file, shipped_drop_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machine import Machine


@pytest.fixture
def service(old_machine: Machine) -> Iterator[Machine]:
    """Return the machine with the drop-in and the service running."""
    shipped_drop_in(old_machine, "90-systemd-252.conf")
    old_machine.systemctl("start", UNIT)
    yield old_machine
    restore(old_machine)


def test_serves(service: Machine) -> None:
    assert service.show(UNIT, "ActiveState") == "active"
    command = ("fdbroker-get", "pty", "--", "sh", "-c", 'stat -c %u "$(tty)"')
    assert service.run(*command, user=1234).stdout.split() == ["1234"]


def test_is_started_by_a_client_and_stopped(service: Machine) -> None:
    service.systemctl("stop", UNIT)
    assert service.show(UNIT, "Result") == "success"
    assert service.show(SOCKET, "ActiveState") == "active"
    assert service.run("fdbroker-get", "pty", "--", "tty").stdout.startswith("/dev/pts/")
    assert service.show(UNIT, "ActiveState") == "active"


def test_reloads_all_or_nothing(service: Machine) -> None:
    service.write(rule_file("resources:\n  probe: {kind: file}\n"))
    assert service.systemctl("reload", UNIT, check=False).returncode != 0
    assert service.show(UNIT, "ActiveState") == "active"
    service.write(rule_file("resources: {}\n"))
    service.systemctl("reload", UNIT)


def test_the_drop_in_is_in_force(service: Machine) -> None:
    assert service.show(UNIT, "RestartUSec") == "1s"
