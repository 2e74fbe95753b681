# SPDX-License-Identifier: MIT
"""The benchmark suite: that it builds, runs and tells; never how long anything takes."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import crowd, curves, page, table
from bench.binaries import build
from bench.budgets import BUDGETS, Verdict
from bench.burst import Burst, Mode, Place
from bench.child import Child
from bench.extent import TINY
from bench.measured import Measured, Spread
from bench.peers.broker import NAME
from bench.peers.varlink import RELOAD, STORED
from bench.work import CASES, FLOOR, S6, Case

from .needs import need_root, need_tool

ROOT = Path(__file__).resolve().parents[1]

EVERYWHERE = {FLOOR, "asyncvarlink", "resource_sharer"}
"""Who needs no package of the system's and no root; and every fdbrokerd."""

CROWDS = (crowd.AMONG, crowd.PACED, crowd.ALONE, crowd.BESIDE_CALLS, crowd.BESIDE_CONNECTIONS)


@pytest.mark.timeout(200)  # it starts a dozen servers, maybe on a machine that has much to do
def test_one_tiny_round(tmp_path: Path) -> None:
    need_tool("cc")
    found, picture, scaling = (tmp_path / name for name in ("found.json", "p.svg", "s.svg"))
    told = ("--json", found, "--svg", picture, "--scaling-svg", scaling)
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny", "--check", *told],
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
    words = words_of(picture)
    assert all(case.title in words for case in CASES if case.work != RELOAD)
    words = words_of(scaling)
    for title, what in curves.OF.items():
        assert title in words
        counts = TINY.scaling.items if what == curves.ITEMS else TINY.scaling.connections
        points = said["curves"][title]
        assert list(points) == [str(count) for count in counts]
        assert all(nanoseconds > 0 for (nanoseconds,) in points.values())
    if os.geteuid() != 0:
        assert "root" in said["missing"]["crowd"]
        return
    for of in CROWDS:
        waits = [said["figures"][crowd.figure(of, what)] for what in crowd.WAITS]
        assert [0.0] < waits[0] <= waits[1] <= waits[2]
        assert said["figures"][crowd.figure(of, crowd.RATE)] > [0.0]


def words_of(picture: Path) -> str:
    return " ".join(ET.parse(picture).getroot().itertext())  # noqa: S314 (it is ours)


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


def test_growth_is_within_a_round() -> None:
    found = Measured()
    for least, most in ((10.0, 11.0), (100.0, 120.0), (10.0, 13.0)):
        found.add_point(curves.REQUEST, 1000, most)
        found.add_point(curves.REQUEST, 10, least)
    growth = found.growth(curves.REQUEST)
    assert growth is not None
    assert growth.median == 1.2
    assert found.growth(curves.GET_HELD) is None
    assert "1.20" in table.curves(found)
    verdicts = {one.what: one.verdict(found) for one in BUDGETS}
    assert verdicts[f"{curves.REQUEST}, with most"] is Verdict.HOLDS
    found.curves[curves.REQUEST][1000] = [20.0, 200.0, 20.0]
    verdicts = {one.what: one.verdict(found) for one in BUDGETS}
    assert verdicts[f"{curves.REQUEST}, with most"] is Verdict.MISSES


def waited(of: str, median: float, most: float, rate: float) -> Measured:
    """Return a run in which others than these had a wait of 100 µs."""
    found = Measured()
    for one in CROWDS:
        each = (median, median, most, rate) if one == of else (1e5, 1e5, 1e5, 2000.0)
        for what, value in zip((*crowd.WAITS, crowd.RATE), each, strict=True):
            found.add_figure(crowd.figure(one, what), value)
    return found


@pytest.mark.parametrize(
    ("of", "median", "most", "rate", "broken"),
    [
        (crowd.AMONG, 1e5, 4e6, 2000.0, 0),
        (crowd.AMONG, 1e5, 6e6, 2000.0, 1),
        (crowd.PACED, 1e5, 6e6, 2000.0, 1),
        (crowd.BESIDE_CALLS, 2e6, 6e6, 2000.0, 0),
        (crowd.BESIDE_CALLS, 2.2e6, 6e6, 2000.0, 1),
        (crowd.BESIDE_CONNECTIONS, 1e5, 1e5, 1900.0, 1),
    ],
)
def test_who_waits_too_long(of: str, median: float, most: float, rate: float, broken: int) -> None:
    found = waited(of, median, most, rate)
    verdicts = [one.verdict(found) for one in BUDGETS]
    assert verdicts.count(Verdict.MISSES) == broken
    assert verdicts.count(Verdict.HOLDS) == 6 - broken
    assert table.figures(found)


def test_a_wait_is_from_when_a_request_was_due(tmp_path: Path) -> None:
    """A server that stands still for 300 ms keeps all that are due meanwhile waiting."""
    need_tool("cc")
    need_root("a crowd is of other users")
    address = f"fdbroker-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(f"\0{address}")
        listening.listen()
        server = threading.Thread(target=answer_late, args=(listening,), daemon=True)
        server.start()
        command: list[str | Path] = [
            build(tmp_path).crowd,
            "-u",
            "200000",
            f"@{address}",
            "t:1:0:{}",
        ]
        with Child(command, log=tmp_path / "log", speaks=True, hears=True) as child:
            assert child.hear() == "ready"
            child.say("20 5000")
            found = json.loads(child.hear())
        server.join()
    assert found["count"] == 20
    assert found["median"] > 150e6  # due after 50 ms
    assert found["most"] >= 299e6


def answer_late(listening: socket.socket) -> None:
    """Answer one connection, whose second request after a while."""
    connected, _ = listening.accept()
    answered = 0
    with connected:
        while call := connected.recv(64):
            assert call == b"{}\0"
            if answered == 1:
                threading.Event().wait(0.3)
            connected.sendall(b'{"parameters":{}}\0')
            answered += 1


def test_page(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(f"before\n\n{page.BEGIN}\nformer\n{page.END}\n\nafter\n")
    page.write(tmp_path, measured([20.0], [10.0]), 1)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "former" not in text
    assert "2.00" in text
    for beside in ("performance.svg", "performance.json", "scaling.svg"):
        assert (tmp_path / beside).stat().st_size > 0


def test_what_a_second_process_would_cost() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench.separation", "--rounds", "1"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith(" ")]
    ways = [
        "hop",
        *(f"{name} {way}" for name in ("pty", "file") for way in ("here", "fixed", "child")),
    ]
    assert [line[:12].strip() for line in lines] == ways * 2
    assert all(float(line[12:20]) > 0 for line in lines)
