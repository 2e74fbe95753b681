# SPDX-License-Identifier: MIT
"""The daemon is killed at random moments while clients put and take, and nothing goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .service import UNIT, drop_in
from .store_desk import (
    AT_ONCE,
    Program,
    check_open_files,
    empty,
    number,
    open_files,
    ready,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machine import Machine

KILLS = number("KILLS", 20)
SEED = number("SEED", 1)

SECONDS_A_KILL = 4

TRACEBACK_LINES = 40
MOST_CHARACTERS = 4000


@pytest.fixture
def restarting(machine: Machine) -> Iterator[Machine]:
    """Return the machine with a service that is started again at once, however often it ends."""
    drop_in(machine, AT_ONCE)
    ready(machine)
    yield machine
    empty(machine)


@pytest.mark.timeout(60 + SECONDS_A_KILL * KILLS)
def test_what_was_confirmed_is_so(restarting: Machine) -> None:
    before = open_files(restarting)
    with Program(restarting, "churn", str(SEED), str(KILLS)) as program:
        told = program.says()
    print(f"\n{told}")
    counts = told["counts"]
    assert told["kills"] >= KILLS
    assert min(counts[what] for what in ("put", "replace", "take", "remove")) > 0
    journal = f"journalctl --sync; journalctl --output=cat _SYSTEMD_UNIT={UNIT}"
    mistakes = f"{journal} | grep --after-context={TRACEBACK_LINES} -e 'is lost' -e Traceback"
    said = restarting.run("sh", "-c", mistakes, check=False)
    assert said.stdout == "", said.stdout[:MOST_CHARACTERS]
    check_open_files(restarting, before)
    assert stored(restarting).keys() == {"t0", "t1"}
