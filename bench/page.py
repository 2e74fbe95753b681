# SPDX-License-Identifier: MIT
"""docs/performance.md, with the results of a run between two marks, and the files beside it."""

from pathlib import Path

from bench import curve_plot, plot, table
from bench.measured import Measured

BEGIN = "<!-- written by tools/bench --write: begin -->"
END = "<!-- written by tools/bench --write: end -->"


def results(measured: Measured, rounds: int) -> str:
    """Return what stands between the marks."""
    parts = [
        "![Time of a request, by work and server](performance.svg)",
        "## Budgets\n\n```text\n" + table.budgets(measured) + "\n```",
        "## Times\n\n```text\n" + table.times(measured) + "\n```",
        "## Figures\n\n```text\n" + table.figures(measured) + "\n```",
        "## Scaling\n\n![Time of a request, the more there is](scaling.svg)",
        "```text\n" + table.curves(measured) + "\n```",
        "## Where the daemon's own time goes",
        *(f"```text\n{profile}\n```" for profile in measured.profiles),
        "## Where and with what\n\n```text\n" + table.facts(measured, rounds) + "\n```",
    ]
    return "\n\n".join(parts)


def write(directory: Path, measured: Measured, rounds: int) -> None:
    """Replace what stands between the marks, and the picture and the JSON beside the page."""
    page = directory / "performance.md"
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{results(measured, rounds)}\n\n{END}{tail}")
    (directory / "performance.svg").write_text(plot.svg(measured))
    (directory / "scaling.svg").write_text(curve_plot.svg(measured))
    (directory / "performance.json").write_text(measured.json(rounds=False))
