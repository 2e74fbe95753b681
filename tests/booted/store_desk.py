# SPDX-License-Identifier: MIT
"""What the tests of the store share: programs in the machine, and what the manager holds."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .service import SOCKET, UNIT, restore, rule_file

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    from .machine import Machine

PLACE = "/usr/local/lib/fdbrokerd-tests"
PACKAGE = "tests.booted"
MODULES = ("programs", "descriptors", "pressure", "churn", "client", "soak")
"""What the programs in the machine are made of: store_*.py, in packages of these names."""

TABLES = 2
"""Descriptors that the manager holds besides what was put."""

STILL_TRUE = ("owner", "metadata", "parts")
"""What of an item is the same for who put it and who gets it, whatever happened in between."""

EVERYBODY = "[get, put, take, remove, list, watch]"

RULES = f"""
resources:
  slots: {{kind: store, quota: {{items: 10000, descriptors: 20000, metadata: 8M}}}}
  drops: {{kind: store, on-hangup: drop}}
  single: {{kind: store}}
  shared: {{kind: memfd, size: 4096}}
  bells: {{kind: eventfd}}
  locks: {{kind: eventfd, initial: 1, semaphore: true}}
rules:
  - {{id: stores, allow: [slots, drops], do: {EVERYBODY}, peer: {{uid: "0-65533"}}}}
  - {{id: single, allow: single, do: [put, list, remove], peer: {{uid: "0-65533"}}}}
  - {{id: held-once, allow: single, peer: {{uid: "0-65533"}}, limit: {{held: 1}}}}
  - {{id: made, allow: [shared, bells, locks], do: [get, list, remove], peer: {{uid: "0-65533"}}}}
"""


RESOURCES = ("slots", "drops", "single", "shared", "bells", "locks")

SETTLE_SECONDS = 20

AT_ONCE = "RestartSec=1ms\nRestartSteps=0"
"""For tests that kill often: the unit itself waits longer after each restart, up to 10 s."""


class Program:
    """A program that runs in the machine; a context manager that ends it.

    "churn" and "soak" are those of their modules, any other is one of store_programs.py.
    """

    def __init__(self, machine: Machine, *arguments: str, user: int = 0) -> None:
        name, *rest = arguments
        called = [name, *rest] if name in {"churn", "soak"} else ["programs", name, *rest]
        command = ("/usr/bin/python3", "-m", f"{PACKAGE}.store_{called[0]}", *called[1:])
        self._process: subprocess.Popen[str] = machine.popen(
            *command, user=user, environment={"PYTHONPATH": PLACE}
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        """Return it, running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill it."""
        with self._process as process:
            process.kill()

    def says(self) -> Any:
        """Return the next thing that it says."""
        line = self._output.readline()
        assert line, f"ended with {self._process.wait()}"
        return json.loads(line)

    def go_on(self) -> None:
        """Give it a line."""
        self._input.write("\n")
        self._input.flush()

    def end(self) -> None:
        """End its input, and wait until it has ended."""
        self._input.close()
        assert self._process.wait() == 0


def ready(machine: Machine) -> None:
    """Install the programs and the rules, and start the service."""
    here, place = Path(__file__).parent, f"{PLACE}/{PACKAGE.replace('.', '/')}"
    files = {f"{place}/store_{name}.py": here / f"store_{name}.py" for name in MODULES}
    files |= {f"{place}/__init__.py": here / "__init__.py"}
    programs = {name: file.read_bytes() for name, file in files.items()}
    machine.write({**programs, **rule_file(RULES)})
    machine.systemctl("start", SOCKET, UNIT)


def ask(machine: Machine, *arguments: str, user: int = 0) -> Any:
    """Run a program to its end, and return what it says."""
    with Program(machine, *arguments, user=user) as program:
        return program.says()


def run(machine: Machine, *arguments: str, user: int = 0) -> None:
    """Run a program that says nothing."""
    with Program(machine, *arguments, user=user) as program:
        program.end()


def kill(machine: Machine) -> float:
    """Kill the daemon; return in how many seconds the next one answered."""
    before = machine.show(UNIT, "MainPID")
    told = ask(machine, "kill", before)
    assert str(told["pid"]) != before
    return float(told["seconds"])


def stored(machine: Machine) -> Counter[str]:
    """Return the names under which the manager holds descriptors."""
    # Asked in this order: the bus comes after the notifications that have arrived.
    table = machine.run("systemd-analyze", "--json=short", "fdstore", UNIT).stdout
    return Counter(one["fdname"] for one in json.loads(table or "[]"))


def check_stored(machine: Machine, look: dict[str, Any]) -> None:
    """Check that the manager holds the tables and each descriptor once, and nothing else."""
    names = stored(machine)
    assert set(names.values()) == {1}
    assert names.total() == look["store"]["descriptors"] + TABLES
    assert names.total() == int(machine.show(UNIT, "NFileDescriptorStore"))
    assert {"t0", "t1"} < set(names)


def look_again(machine: Machine, put: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Check that what was put is there and nothing else, and is what it was; return what is."""
    look: dict[str, Any] = ask(machine, "look", "slots")
    seen = look["items"]
    assert seen.keys() == put.keys()
    for name, was in put.items():
        now = seen[name]
        assert {key: now[key] for key in STILL_TRUE} == {key: was[key] for key in STILL_TRUE}, name
        assert now["got-metadata"] == was["metadata"], name
    assert look["store"]["items"] == len(put)
    assert look["store"]["descriptors"] == sum(len(one["parts"]) for one in put.values())
    held = look["store"]["descriptors"] + TABLES
    assert machine.show(UNIT, "NFileDescriptorStore") == str(held)
    _check_times(first["items"], seen)
    return look


def _check_times(was: dict[str, Any], now: dict[str, Any]) -> None:
    """Compare as exactly as List tells: all times of one List share one offset of the clocks."""
    shift = next(now[name]["created"] - was[name]["created"] for name in was)
    assert abs(shift) < 1_000_000, "an answer's clocks were read a second apart"
    for name, one in was.items():
        assert abs(now[name]["created"] - one["created"] - shift) <= 1, name
        if one["expires"] is None:
            assert now[name]["expires"] is None, name
        else:
            assert abs(now[name]["expires"] - one["expires"] - shift) <= 1, name


def open_files(machine: Machine) -> dict[str, Counter[str]]:
    """Return what pid 1, the daemon and its zygote and children have open, by what it is.

    That is with nothing held, and with as many idle children as are ever kept.
    """
    main = machine.show(UNIT, "MainPID")
    ask(machine, "fill-up", main, "slots", "16")
    run(machine, "clear", *RESOURCES)
    return _open_files(machine, main)


def _open_files(machine: Machine, main: str) -> dict[str, Counter[str]]:
    group = "/sys/fs/cgroup/system.slice/fdbrokerd.service/cgroup.procs"
    script = (
        f"for p in 1 $(cat {group}); do for f in /proc/$p/fd/*; do"
        ' echo "$p $(readlink $f)"; done; done'
    )
    table: dict[str, Counter[str]] = {"manager": Counter(), "daemon": Counter()}
    for line in machine.run("sh", "-c", script).stdout.splitlines():
        pid, _, what = line.partition(" ")
        whose = {"1": "manager", main: "daemon"}.get(pid, "children")
        table.setdefault(whose, Counter())[what.split(":")[0]] += 1
    return table


def check_open_files(machine: Machine, before: dict[str, Counter[str]]) -> None:
    """Check that no more is open than before, once what was begun has come to its end.

    The manager closes in a child of its own, and its connections when their peers have gone.
    """
    main, now = machine.show(UNIT, "MainPID"), open_files(machine)
    deadline = time.monotonic() + SETTLE_SECONDS
    while now != before:
        now = _open_files(machine, main)
        assert time.monotonic() < deadline, f"open now: {now}; before: {before}"


def empty(machine: Machine) -> None:
    """Stop everything, take away what a test has written, and let go what is held."""
    machine.systemctl("stop", SOCKET, UNIT)
    machine.systemctl("clean", "--what=fdstore", UNIT, check=False)  # systemd 254
    restore(machine)


def parent_of(pid: int) -> int:
    """Return the pid of a process's parent, 0 where it is gone."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/stat").read_text()
        return int(status.rpartition(")")[2].split()[1])
    return 0


def number(name: str, usual: int) -> int:
    """Return how much of something a test does: what the environment says, or as usual."""
    return int(os.environ.get(f"FDBROKER_{name}", usual))
