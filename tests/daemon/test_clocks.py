# SPDX-License-Identifier: MIT
"""The time of day is told and never waited for: setting it changes no deadline."""

import ast
import sys
import time
from pathlib import Path

import pytest

import fdbrokerd

from . import stepped
from .broker import Files, running
from .identity import User
from .items import listed, put_eventfd, streaming, told
from .wire import Wire, call

PERSON = User(1000)
DAY_SECONDS = 86_400
RULES = """
resources:
  slots: {kind: store}
rules:
  - {id: people, allow: slots, do: [put, get, list, watch], peer: {uid: ["0", "1000-59999"]}}
"""

TELLS = {
    "audit/log.py", "listing.py", "server/standing.py",
    "cli/report.py", "cli/listing.py",
}  # fmt: skip
"""What may ask for the time of day: records, List, Status, and what prints them."""

OF_DAY = {"CLOCK_REALTIME", "CLOCK_TAI", "datetime"}


def _asks_for_the_time_of_day(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            if {one.name for one in node.names} & {"time", "time_ns", *OF_DAY}:
                return True
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "time" and node.attr in {"time", "time_ns", *OF_DAY}:
                return True
        elif isinstance(node, ast.ImportFrom) and node.module == "datetime":
            return True
    return False


def test_who_asks_for_the_time_of_day() -> None:
    package = Path(fdbrokerd.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if _asks_for_the_time_of_day(path)
    }
    assert found == TELLS


@pytest.mark.parametrize("step", [DAY_SECONDS, -DAY_SECONDS])
def test_a_step_changes_no_deadline(tmp_path: Path, step: int) -> None:
    clock = tmp_path / "step"
    stepped.write(clock, 0)
    files = Files(tmp_path, RULES, limits="{message-seconds: 1}")
    command = [sys.executable, "-c", stepped.PROGRAM]
    with running(files, command, (), **{stepped.VARIABLE: str(clock)}) as broker:
        put_eventfd(broker, "slots/hour", ttlUSec=3600 * 1_000_000)
        put_eventfd(broker, "slots/second", ttlUSec=1_000_000)
        began = time.monotonic()
        before = listed(broker, "slots/hour")
        with Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as half:
            streaming(watch, "slots/second")
            assert told(watch, 2) == ["added slots/second", "ready slots/second"]
            stepped.write(clock, step)
            half.send(call("WhoAmI")[:9])
            after = listed(broker, "slots/hour")
            for key in ("createdUSec", "expiresUSec"):
                moved = after[key] - before[key]
                assert abs(moved - step * 1_000_000) < 1_000_000, "told by the clock of now"
            assert told(watch, 1) == ["expired slots/second"]
            assert 0.5 < time.monotonic() - began < 10
            assert half.is_hung_up()
        first, *_, last = broker.records()
        assert abs(last["time"] - first["time"] - step * 1_000_000) < 60_000_000
        assert all(0 <= one["duration"] < 60_000_000 for one in broker.lines())
