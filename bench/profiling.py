# SPDX-License-Identifier: MIT
"""Where a request's time goes in the daemon: by function, without what it calls in Python.

What it calls in C counts as its own; the kernel's part of a system call is not there.
"""

import json
from pathlib import Path

from bench.burst import Mode, Place
from bench.ground import Ground
from bench.peers.broker import Setting, broker
from bench.peers.varlink import FILE, PTY, STORED
from bench.table import columns
from bench.work import Case

REQUESTS = 2_000
ROWS = 24


KINDS = ((STORED, Mode.ONE), (STORED, Mode.EACH), (FILE, Mode.ONE), (PTY, Mode.ONE))
"""Whose profiles belong to a whole run."""


def profiles(ground: Ground, directory: Path) -> list[str]:
    """Return the tables of a whole run."""
    tables = []
    for work, mode in KINDS:
        own = directory / f"profile-{work}-{mode.value}"
        own.mkdir()
        tables.append(profile(ground, own, work, mode))
    return tables


def profile(ground: Ground, directory: Path, work: str, mode: Mode) -> str:
    """Return a table for one kind of request."""
    output = directory / "profile.json"
    command = ("-m", "bench.profiled", str(output), "--config")
    few = Setting(rules=1)  # the start would count, too, with many
    with broker(ground, directory, few, command) as peer:
        peer.burst(work, mode, Place.PINNED, REQUESTS, 0)
    found = json.loads(output.read_text())
    unit = found["unit"]
    functions = sorted(
        # What is called less often belongs to the start.
        (one for one in found["functions"] if one["calls"] >= REQUESTS),
        key=lambda one: -one["own"],
    )
    total = sum(one["own"] for one in functions)
    rows = [(Case(work, mode, (), 0).title, unit, "", "calls")]
    rows += [
        (
            one["function"],
            f"{one['own'] / REQUESTS:.0f}",
            f"{one['own'] / total:.1%}",
            f"{one['calls'] / REQUESTS:.1f}",
        )
        for one in functions[:ROWS]
    ]
    rest = sum(one["own"] for one in functions[ROWS:])
    rows.append((f"{len(functions[ROWS:])} others", f"{rest / REQUESTS:.0f}", "", ""))
    rows.append(("all", f"{total / REQUESTS:.0f}", "", ""))
    return columns(rows)
