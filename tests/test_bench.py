# SPDX-License-Identifier: MIT
"""The benchmark suite: that it builds, runs and tells; never how long anything takes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import page, table
from bench.budgets import BUDGETS, Verdict
from bench.burst import Burst, Mode, Place
from bench.measured import Measured, Spread
from bench.peers.broker import NAME
from bench.peers.varlink import RELOAD, STORED
from bench.work import CASES, FLOOR, S6, Case

from .needs import need_tool

ROOT = Path(__file__).resolve().parents[1]

EVERYWHERE = {FLOOR, "asyncvarlink", "resource_sharer"}
"""Who needs no package of the system's and no root; and every fdbrokerd."""


@pytest.mark.timeout(200)  # it starts a dozen servers, maybe on a machine that has much to do
def test_one_tiny_round(tmp_path: Path) -> None:
    need_tool("cc")
    found, picture = tmp_path / "found.json", tmp_path / "found.svg"
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--check", "--json", found, "--svg", picture],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert run.returncode == 1, run.stderr  # a tiny run cannot say that each budget holds
    assert run.stderr == ""
    said = json.loads(found.read_text())
    present = {(one["case"], one["place"], one["peer"]) for one in said["bursts"]}
    for case in CASES:
        for peer in case.who:
            here = {(case.title, place.value, peer) for place in Place}
            if peer in EVERYWHERE or peer.startswith(NAME):
                assert here <= present
            else:
                assert here <= present or said["missing"][peer]
            assert peer in run.stdout
        assert case.title in run.stdout
    for one in said["bursts"]:
        (burst,) = one["rounds"]
        assert 0 < burst["median"] <= burst["most"]
    for budget in BUDGETS:
        line = rf"^{re.escape(budget.what)} +{re.escape(budget.against)} +{budget.place.value} "
        assert re.search(line, run.stdout, re.MULTILINE)
    words = " ".join(ET.parse(picture).getroot().itertext())  # noqa: S314 (it is ours)
    assert all(case.title in words for case in CASES if case.work != RELOAD)


def measured(ours: list[float], floor: list[float]) -> Measured:
    """Return a run with so many nanoseconds for a stored descriptor, pinned."""
    found = Measured()
    title = Case(STORED, Mode.ONE, (), 0).title
    for name, medians in ((NAME, ours), (FLOOR, floor)):
        for nanoseconds in medians:
            burst = Burst(nanoseconds, nanoseconds, nanoseconds, nanoseconds, nanoseconds)
            found.add(title, Place.PINNED, name, burst)
    return found


@pytest.mark.parametrize(
    ("ours", "verdict", "told"),
    [
        # What disturbs a whole round disturbs both of its bursts.
        ([20.0, 19.0, 200.0], Verdict.HOLDS, "2.00 1.95-2.00 holds"),
        ([30.0, 25.0, 300.0], Verdict.MISSES, "3.00 2.75-3.00 misses by 50%"),
    ],
)
def test_verdict(ours: list[float], verdict: Verdict, told: str) -> None:
    found = measured(ours, [10.0, 10.0, 100.0])
    verdicts = {(one.at_most, one.against): one.verdict(found) for one in BUDGETS[:4]}
    assert verdicts[2.0, FLOOR] is verdict
    assert verdicts[1.25, S6] is Verdict.UNKNOWN
    assert told in " ".join(table.budgets(found).split())
    assert table.missed(found) == len(BUDGETS) - (2 if verdict is Verdict.HOLDS else 1)


def test_spread() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    assert Spread.of([4.0, 1.0, 3.0, 2.0, 100.0]) == Spread(3.0, 2.0, 4.0)


def test_burst_of_what_a_client_prints() -> None:
    line = '{"count": 4, "elapsed": 80, "least": 5, "median": 10, "p99": 30, "most": 40}'
    assert Burst.of(line, Mode.ONE) == Burst(10, 20, 30, 40)
    assert Burst.of(line, Mode.ONE, items=10) == Burst(1, 2, 3, 4)
    assert Burst.of(line, Mode.PIPELINED).median == 20


def test_page(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(f"before\n\n{page.BEGIN}\nformer\n{page.END}\n\nafter\n")
    page.write(tmp_path, measured([20.0], [10.0]), 1)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "former" not in text
    assert "2.00" in text
    for beside in ("performance.svg", "performance.json"):
        assert (tmp_path / beside).stat().st_size > 0
