# SPDX-License-Identifier: MIT
"""The limits of the manager's store: how much it takes, and that it may take its time."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .service import SOCKET, UNIT, drop_in
from .store_desk import (
    TABLES,
    Program,
    ask,
    empty,
    kill,
    parent_of,
    ready,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machine import Machine

ROOM = 20

STORE_FULL = "LimitReached store"


@pytest.fixture
def machine_with_stores(machine: Machine) -> Iterator[Machine]:
    """Return the machine, to be made `ready`."""
    yield machine
    empty(machine)


@contextmanager
def stopped(machine: Machine) -> Iterator[None]:
    """Stop the machine's pid 1. From outside that works; whatever happens it goes on afterwards."""
    os.kill(machine.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(machine.pid, signal.SIGCONT)
        # unshare(1) follows its child into the stop, and would not notice its end.
        os.kill(parent_of(machine.pid), signal.SIGCONT)


def test_what_does_not_fit_is_refused_however_many_come_at_once(
    machine_with_stores: Machine,
) -> None:
    machine = machine_with_stores
    drop_in(machine, f"FileDescriptorStoreMax={ROOM}")
    ready(machine)
    outcomes = ask(machine, "fill-up", machine.show(UNIT, "MainPID"), "slots", str(2 * ROOM))
    held = {name for name, outcome in outcomes.items() if not outcome}
    assert {outcome for name, outcome in outcomes.items() if name not in held} == {STORE_FULL}
    assert len(held) == ROOM - TABLES
    assert stored(machine).total() == ROOM
    kill(machine)
    look = ask(machine, "look", "slots")
    assert look["items"].keys() == held
    assert look["store"]["room"] == ROOM
    assert stored(machine).total() == ROOM


def test_the_largest_store_can_be_given_back(machine_with_stores: Machine) -> None:
    """As many as the unit says, and the listeners besides."""
    machine = machine_with_stores
    machine.systemctl("start", SOCKET, UNIT)
    # A page of the environment for each of them is not needed to see that they are taken.
    most = int(machine.show(UNIT, "FileDescriptorStoreMax"))
    program = (
        "import os; from fdbrokerd.systemd import passed_descriptors as take; import resource;"
        f"count = {most} + 2;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (count + 10, count + 10));"
        "[os.dup2(0, number) for number in range(3, count + 3)];"
        "environment = {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': str(count)};"
        "print(len(take(environment)) == count)"
    )
    assert machine.run("/usr/bin/python3", "-Ic", program).stdout == "True\n"


def test_a_manager_that_is_stopped_stops_nobody(machine_with_stores: Machine) -> None:
    machine = machine_with_stores
    ready(machine)
    with Program(machine, "stuff", "slots") as program:
        with stopped(machine):
            told = program.says()
        # Its queue was full: some Commits are not answered, while others were served.
        assert len(told["waiting"]) == 4
        program.go_on()
        outcomes = program.says()
    assert set(outcomes.values()) == {""}
    held = {*outcomes, *(f"slots/{number}" for number in range(told["committed"]))}
    assert stored(machine).total() == len(held) + TABLES
    kill(machine)
    assert ask(machine, "look", "slots")["items"].keys() == held
