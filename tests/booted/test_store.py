# SPDX-License-Identifier: MIT
"""A thousand items of every type outlive whatever happens to the daemon and its manager."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from .project import MODULES, REPOSITORY
from .service import UNIT
from .store_desk import (
    Program,
    ask,
    check_open_files,
    check_stored,
    empty,
    kill,
    look_again,
    number,
    open_files,
    ready,
    stored,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from .machine import Machine

ITEMS = number("ITEMS", 1000)
USERS = (0, 1234, 4321)

TYPES = {
    *("file", "pty", "socket", "memfd", "eventfd", "timerfd", "pidfd", "pipe", "tun"),
}


@dataclass
class Full:
    """The machine with the items, what was put, and how it was first seen."""

    machine: Machine
    put: dict[str, Any]
    first: dict[str, Any]
    unfilled: dict[str, Counter[str]]


@pytest.fixture(scope="module")
def full(machine: Machine) -> Iterator[Full]:
    """Put the items, of a few users, who have closed all of it and live on."""
    with ExitStack() as stack:
        stack.callback(empty, machine)
        ready(machine)
        unfilled = open_files(machine)
        share = ITEMS // len(USERS) + 1
        put: dict[str, Any] = {}
        programs = list[Program]()
        for user in USERS:
            arguments = ("fill", f"slots/u{user}/", str(min(share, ITEMS - share * len(programs))))
            programs.append(stack.enter_context(Program(machine, *arguments, user=user)))
        for program in programs:
            told = program.says()
            put |= told["items"]
        first = ask(machine, "look", "slots")
        yield Full(machine, put, first, unfilled)


def check(full: Full) -> None:
    """Check that everything is there once, and is what it was; for the manager, too."""
    look = look_again(full.machine, full.put, full.first)
    check_stored(full.machine, look)


def _kill(machine: Machine) -> None:
    seconds = kill(machine)
    print(f"\nSIGKILL to answering with {ITEMS} items: {seconds * 1000:.0f} ms")


def _restart(machine: Machine) -> None:
    machine.systemctl("restart", UNIT)


def _stop_and_start(machine: Machine) -> None:
    machine.systemctl("stop", UNIT)
    assert machine.show(UNIT, "ActiveState") == "inactive"
    machine.systemctl("start", UNIT)


def _reexec_and_kill(machine: Machine) -> None:
    machine.systemctl("daemon-reexec")
    kill(machine)


def _reloads(machine: Machine) -> None:
    machine.systemctl("daemon-reload")
    machine.systemctl("reload", UNIT)


def _upgrade(machine: Machine) -> None:
    """Put a newer version in its place, as a package does, and its old self later."""
    file = f"{MODULES}/fdbrokerd/version.py"
    text = (REPOSITORY / "fdbrokerd/version.py").read_text()
    try:
        # Longer, too: files written here have no time by which Python could tell them apart.
        newer = text.replace('"0.', '"99.')
        machine.write({file: newer})
        machine.systemctl("daemon-reload")
        # What deb-systemd-invoke does of a unit that runs.
        machine.systemctl("try-restart", UNIT)
        assert "version: 99." in machine.run("fdbrokerctl", "status").stdout
    finally:
        machine.write({file: text})
        machine.systemctl("try-restart", UNIT)
    assert "version: 0." in machine.run("fdbrokerctl", "status").stdout


@pytest.mark.parametrize(
    "happens",
    [
        _kill,
        _restart,
        _stop_and_start,
        _reexec_and_kill,
        _reloads,
        _upgrade,
    ],
)
def test_all_are_there_after(full: Full, happens: Callable[[Machine], None]) -> None:
    before = full.machine.show(UNIT, "MainPID")
    happens(full.machine)
    assert (full.machine.show(UNIT, "MainPID") == before) == (happens is _reloads)
    check(full)


def test_every_type_is_among_them(full: Full) -> None:
    lines = full.machine.run("fdbrokerctl", "list", "-l").stdout
    assert {kind for kind in TYPES if kind in lines} == TYPES


def test_nothing_is_left_open_when_all_is_removed(full: Full) -> None:
    """In nobody: the daemon, its children, pid 1. The last of this module, since it empties all."""
    check_open_files(full.machine, full.unfilled)
    assert stored(full.machine).keys() == {"t0", "t1"}
