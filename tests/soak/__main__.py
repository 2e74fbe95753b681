# SPDX-License-Identifier: MIT
"""Many requests of every kind against one daemon: tools/soak --help."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .soak import Figures, soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, print the figures, and return 1 where anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="tools/soak",
        description="Asks one daemon for everything, as several users, and compares what it "
        "recorded with what it answered, and what it has open and in memory with before. As root.",
    )
    parser.add_argument("--requests", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="each with its own uid")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fdbroker-soak-") as directory:
        figures = soak(
            Path(directory), requests=chosen.requests, workers=chosen.workers, seed=chosen.seed
        )
    _print(figures, as_json=chosen.json)
    return 1 if figures.faults else 0


def _print(figures: Figures, *, as_json: bool) -> None:
    values = figures.as_dict()
    if as_json:
        print(json.dumps(values, indent=2))
        return
    for name, value in values.items():
        told = value
        if isinstance(value, dict):
            told = ", ".join(f"{key} {count}" for key, count in sorted(value.items()))
        print(f"{name.replace('_', ' '):20} {told}")


if __name__ == "__main__":
    sys.exit(main())
