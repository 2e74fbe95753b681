# SPDX-License-Identifier: MIT
"""The results as text."""

from collections.abc import Iterable, Sequence

from bench.budgets import BUDGETS, Verdict
from bench.burst import Burst, Place
from bench.crowd import COUNTS, RATE, WAITS
from bench.curves import OF
from bench.measured import Measured, Spread, cpu_of
from bench.peers.broker import NAME


def columns(rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Return rows as aligned columns, the first `left` of them to the left."""
    all_rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*all_rows, strict=True)]
    lines = []
    for row in all_rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _between(found: Spread) -> str:
    return f"{found.low:.2f}-{found.high:.2f}"


def budgets(measured: Measured) -> str:
    """Return each budget, what came out, and the verdict with what is too much."""
    rows = [("work", "against", "where", "at most", "measured", "middle half", "verdict")]
    for budget in BUDGETS:
        found, verdict = budget.find(measured), budget.verdict(measured)
        told = ("", "") if found is None else (f"{found.median:.2f}", _between(found))
        word = verdict.value
        if found is not None and verdict is Verdict.MISSES:
            word += f" by {found.median / budget.at_most - 1:.0%}"
        limit = f"{budget.at_most:.2f}"
        rows.append((budget.what, budget.against, budget.place.value, limit, *told, word))
    return columns(rows, left=3)


def _microseconds(found: Spread | None) -> str:
    return "" if found is None else f"{found.median / 1000:.1f}"


def _p99(burst: Burst) -> float:
    return burst.p99


def times(measured: Measured) -> str:
    """Return what each request takes, of each server."""
    rows: list[Sequence[str]] = [
        (
            "work",
            "server",
            "free µs",
            "p99",
            "CPU",
            "pinned µs",
            "p99",
            "CPU",
            "k instr",
            "ours, pinned",
        )
    ]
    last = ""
    for case, peer in dict.fromkeys((case, peer) for case, _, peer in measured.bursts):
        cells = [
            _microseconds(measured.spread(case, place, peer, *pick))
            for place in Place
            for pick in ((), (_p99,), (cpu_of,))
        ]
        ratio = measured.ratio((case, NAME), (case, peer), Place.PINNED)
        ours = "" if ratio is None or peer == NAME else f"{ratio.median:.2f} times"
        executed = measured.instructions.get((case, peer), 0.0)
        thousands = f"{executed / 1e3:.1f}" if executed else ""
        rows.append((case if case != last else "", peer, *cells, thousands, ours))
        last = case
    return columns(rows, left=2)


def figures(measured: Measured) -> str:
    """Return the single figures."""
    rows = []
    for name in measured.figures:
        found = measured.figure(name)
        assert found is not None
        if "resident" in name:
            told = (f"{found.median:.1f} KiB", "")
        elif name.startswith("decision"):
            told = (f"{found.median:.0f} ns", "")
        elif name in COUNTS or name.endswith(RATE):
            told = (f"{found.median:.0f}", "")
        elif name.endswith(WAITS):
            told = (f"{found.median / 1e3:.1f} µs", "")
        else:
            told = (f"{found.median / 1e6:.1f} ms", f"{found.low / 1e6:.1f}-{found.high / 1e6:.1f}")
        rows.append((name, *told))
    return columns(rows) if rows else ""


def curves(measured: Measured) -> str:
    """Return what work takes with more and more of something, and the ratio of most to least."""
    counts = sorted({count for points in measured.curves.values() for count in points})
    rows: list[Sequence[str]] = [("pinned µs", "by", *map(str, counts), "growth", "middle half")]
    for title, points in measured.curves.items():
        cells = [
            _microseconds(Spread.of(points[count]) if count in points else None) for count in counts
        ]
        growth = measured.growth(title)
        assert growth is not None
        rows.append((title, OF[title], *cells, f"{growth.median:.2f}", _between(growth)))
    return columns(rows, left=2) if measured.curves else ""


def facts(measured: Measured, rounds: int) -> str:
    """Return where and with what it was measured."""
    rows = [*measured.facts.items(), ("rounds", str(rounds))]
    rows += [(name, version) for name, version in measured.versions.items() if version]
    rows += [(name, f"not measured: {why}") for name, why in measured.missing.items()]
    return columns(rows, left=2)


def everything(measured: Measured, rounds: int) -> str:
    """Return all of it."""
    parts = (
        facts(measured, rounds),
        times(measured),
        figures(measured),
        curves(measured),
        *measured.profiles,
        budgets(measured),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def missed(measured: Measured) -> int:
    """Return how many budgets do not hold, or cannot be said to."""
    return sum(budget.verdict(measured) is not Verdict.HOLDS for budget in BUDGETS)
