# SPDX-License-Identifier: MIT
"""The program: start everybody, measure, and tell."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import (
    activation,
    crowd,
    curve_plot,
    curves,
    decision,
    machine,
    memory,
    page,
    plot,
    programs,
    rounds,
    table,
)
from bench.binaries import build
from bench.burst import Mode
from bench.extent import FULL, QUICK, TINY, Extent
from bench.ground import Ground, ground
from bench.measured import Measured
from bench.peers.broker import NAME
from bench.peers.varlink import OF_BROKER
from bench.profiling import profile, profiles
from bench.roster import started
from bench.stage import TOP
from bench.work import CASES, FLOOR
from fdbrokerd.errors import Error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measure fdbrokerd beside its peers and the bare system calls.",
        epilog="Exit status 1: --check, and a budget does not hold or could not be measured.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="under a minute, and rough")
    size.add_argument("--tiny", action="store_true", help="one round of a few requests, for a test")
    size.add_argument(
        "--profile",
        metavar="WORK",
        choices=sorted(OF_BROKER),
        help="instead, where the daemon's own time goes: " + ", ".join(sorted(OF_BROKER)),
    )
    parser.add_argument("--each", action="store_true", help="a connection for each, of --profile")
    parser.add_argument("--check", action="store_true", help="fail where a budget does not hold")
    parser.add_argument("--write", action="store_true", help="into docs/performance.*")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, for programs")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="the picture of times")
    parser.add_argument("--scaling-svg", type=Path, metavar="FILE", help="the picture of scaling")
    return parser


def measure(extent: Extent, measured: Measured) -> int:
    """Measure everything; return how many rounds there were."""
    memory.raise_descriptor_limit()
    measured.facts.update(machine.facts(TOP))
    with tempfile.TemporaryDirectory(prefix="fdbroker-bench-") as name:
        directory = Path(name)
        (directory / "programs").mkdir()
        with ground(build(directory / "programs"), directory) as place:
            measured.versions.update(place.versions())
            done = _bursts(extent, place, directory, measured)
            decision.measure(extent.decisions, measured)
            if extent.profiles:
                with _told(measured, "profiles"):
                    measured.profiles += profiles(place, directory)
            for part in (curves, crowd):
                own = directory / part.__name__
                own.mkdir()
                with _told(measured, part.__name__.removeprefix("bench.")):
                    part.measure(extent.scaling, place, own, measured)
            with _told(measured, "memory"):
                _hold(extent, place, directory, measured)
            with _told(measured, "socket activation"):
                activation.measure(place, directory, extent.activations, measured)
    return done


@contextmanager
def _told(measured: Measured, part: str) -> Iterator[None]:
    """Note that a part failed, and why: the others took minutes and count all the same."""
    try:
        yield
    except (RuntimeError, subprocess.SubprocessError, Error, OSError) as error:
        measured.missing[part] = f"it failed: {error}"


def _profile(work: str, mode: Mode) -> None:
    with tempfile.TemporaryDirectory(prefix="fdbroker-bench-") as name:
        directory = Path(name)
        (directory / "programs").mkdir()
        own = directory / "profiled"
        own.mkdir()
        with ground(build(directory / "programs"), directory) as place:
            print(profile(place, own, work, mode))


def _bursts(extent: Extent, place: Ground, directory: Path, measured: Measured) -> int:
    names = {peer for case in CASES for peer in case.who}
    own = directory / "bursts"
    own.mkdir()
    with started(place, own, names, measured) as peers:
        done = rounds.run(CASES, peers, extent.rounds, extent.share, measured, extent.seconds)
        rounds.count(CASES, peers, extent.share, measured)
        if extent.laps:
            laps = own / "laps"
            laps.mkdir()
            with _told(measured, "programs"):
                programs.measure(place, laps, peers[NAME], extent.laps, measured)
    return done


def _hold(extent: Extent, place: Ground, directory: Path, measured: Measured) -> None:
    """Have new ones hold much: what memory was used before is not given back."""
    if not extent.connections:
        return
    for name in (FLOOR, NAME):
        own = directory / f"connections-{name}"
        own.mkdir()
        with started(place, own, {name}, measured) as peers:
            memory.connections(peers[name], extent.connections, measured)
    own = directory / "items"
    own.mkdir()
    with started(place, own, {NAME}, measured) as peers:
        memory.items(peers[NAME], extent.items, measured)


def main() -> int:
    """Run, tell, and return the exit status."""
    options = _parser().parse_args()
    if options.profile:
        _profile(options.profile, Mode.EACH if options.each else Mode.ONE)
        return 0
    extent = TINY if options.tiny else QUICK if options.quick else FULL
    measured = Measured()
    done = measure(extent, measured)
    print(table.everything(measured, done), end="")
    if options.json:
        options.json.write_text(measured.json(rounds=True))
    if options.svg:
        options.svg.write_text(plot.svg(measured))
    if options.scaling_svg:
        options.scaling_svg.write_text(curve_plot.svg(measured))
    if options.write:
        page.write(TOP / "docs", measured, done)
    if options.check:
        count = table.missed(measured)
        print(f"\n{count} budgets do not hold" if count else "\nEvery budget holds")
        return 1 if count else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
