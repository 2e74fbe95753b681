# SPDX-License-Identifier: MIT
"""The store under this system's own, older systemd: with the drop-in that ships, and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .service import UNIT, shipped_drop_in
from .store_desk import TABLES, Program, ask, empty, kill, look_again, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machine import Machine

ITEMS = 48


@pytest.fixture
def old(old_machine: Machine) -> Iterator[Machine]:
    """Return the machine, to be made `ready`."""
    yield old_machine
    empty(old_machine)


def test_with_the_drop_in_items_outlive_a_kill_and_a_restart(old: Machine) -> None:
    shipped_drop_in(old, "90-systemd-252.conf")
    ready(old)
    with Program(old, "fill", "slots/", str(ITEMS)) as program:
        put = program.says()["items"]
        first = ask(old, "look", "slots")
        assert first["store"]["durable"]
        kill(old)
        look_again(old, put, first)
        old.systemctl("restart", UNIT)
        look_again(old, put, first)
        old.systemctl("daemon-reexec")
        kill(old)
        look_again(old, put, first)
    # What this systemd does not keep, as the drop-in says.
    old.systemctl("stop", UNIT)
    old.systemctl("start", UNIT)
    assert ask(old, "look", "slots")["items"] == {}
    assert old.show(UNIT, "NFileDescriptorStore") == str(TABLES)


def test_without_it_the_broker_says_that_nothing_lasts(old: Machine) -> None:
    ready(old)
    assert "which end with this process" in old.show(UNIT, "StatusText")
    ask(old, "put", "slots/one", "3600")
    look = ask(old, "look", "slots")
    assert look["items"].keys() == {"slots/one"}
    assert not look["store"]["durable"]
    assert old.show(UNIT, "NFileDescriptorStore") == "0"
    kill(old)
    assert ask(old, "look", "slots")["items"] == {}
    said = [one.get("MESSAGE", "") for one in old.journal(f"_SYSTEMD_UNIT={UNIT}")]
    assert any("which end with this process" in line for line in said)
