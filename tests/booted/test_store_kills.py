# SPDX-License-Identifier: MIT
"""The daemon is ended at random moments while clients put and take, and nothing goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fdbrokerd.audit.record import REQUEST_ID

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

CLIENT_SECONDS = 30.0
"""As long as a client of store_client.py waits for an answer."""

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
    assert sum(told["ends"].values()) >= KILLS
    assert told["ends"].keys() == {"kill", "children", "terminate", "restart"}
    assert counts.get("answered twice", 0) == 0
    assert told["longest_seconds"] < CLIENT_SECONDS
    assert min(counts[what] for what in ("put", "replace", "take", "remove")) > 0
    journal = f"journalctl --sync; journalctl --output=cat _SYSTEMD_UNIT={UNIT}"
    mistakes = f"{journal} | grep --after-context={TRACEBACK_LINES} -e 'is lost' -e Traceback"
    said = restarting.run("sh", "-c", mistakes, check=False)
    assert said.stdout == "", said.stdout[:MOST_CHARACTERS]
    recorded = f"{journal} --output=json --output-fields=FDBROKER_REQUEST MESSAGE_ID={REQUEST_ID}"
    ids = recorded.replace("--output=cat ", "") + ' | grep -o \'REQUEST":"[^"]*\' | sort'
    assert restarting.run("sh", "-c", f"{ids} | uniq -d").stdout == "", "recorded twice"
    assert int(restarting.run("sh", "-c", f"{ids} | wc -l").stdout) > KILLS
    check_open_files(restarting, before)
    assert stored(restarting).keys() == {"t0", "t1"}
