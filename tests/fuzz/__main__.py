# SPDX-License-Identifier: MIT
"""The program: every harness for some minutes, or a storm, and the figures in one line."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from . import campaign, crowd, siege
from .roster import TARGETS

SUMMARY = "The exit status is 1 where a promise is broken."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/fuzz",
        description="Give what reads bytes of others bytes that nobody would think of.",
        epilog=SUMMARY,
    )
    parser.add_argument("--minutes", type=float, metavar="N", help="all harnesses together (10)")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only these")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="try one input again")
    parser.add_argument("--frames", type=int, metavar="N", help="a storm on a daemon; as root")
    parser.add_argument("--half-open", type=int, metavar="N", help="connections that say half")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which inputs (1)")
    parser.add_argument("--json", action="store_true", help="the figures for programs")
    return parser


def main() -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args()
    if options.replay:
        name, file = options.replay
        TARGETS[name].check(Path(file).read_bytes())
        return 0
    figures: dict[str, dict[str, object]] = {}
    if options.frames:
        figures["storm"] = _storm(options.frames, options.seed)
    if options.half_open:
        figures["half-open"] = _half_open(options.half_open)
    if options.minutes or not figures:
        figures["fuzz"] = _fuzz(
            options.target or list(TARGETS), options.minutes or 10.0, options.seed
        )
    print(json.dumps(figures) if options.json else _told(figures))
    return 1 if figures.get("fuzz", {}).get("findings") else 0


def _fuzz(names: list[str], minutes: float, seed: int) -> dict[str, object]:
    each = minutes * 60 / len(names)
    tried = [campaign.run(TARGETS[name], each, seed) for name in names]
    return {
        "engine": campaign.engine(),
        "inputs": sum(one.inputs for one in tried),
        "of": {one.target: one.inputs for one in tried},
        "findings": sum(len(one.findings) for one in tried),
    }


def _storm(frames: int, seed: int) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory(prefix="fdbroker-storm-") as directory,
        siege.besieged(Path(directory)) as broker,
    ):
        return asdict(siege.besiege(broker, frames, seed))


def _half_open(count: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="fdbroker-crowd-") as directory:
        return asdict(crowd.half_open(Path(directory), count))


def _told(figures: dict[str, dict[str, object]]) -> str:
    lines = []
    for name, values in figures.items():
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())
        lines.append(f"{name}: {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
