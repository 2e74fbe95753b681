# SPDX-License-Identifier: MIT
"""The C programs, built anew for each run."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "c"

FLAGS = (
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
)

_PROGRAMS = {
    "client": ("client", "dialect", "pipeline", "step", "stream", "sure", "times"),
    "floor": ("floor", "work"),
    "lap": ("lap", "times"),
    "crowd": ("crowd", "dialect", "step", "stream", "sure", "times", "user"),
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs are."""

    client: Path
    floor: Path
    lap: Path
    crowd: Path


def build(directory: Path) -> Binaries:
    """Compile all of them into a directory. Raises CalledProcessError."""
    compiler = os.environ.get("CC", "cc")
    for name, sources in _PROGRAMS.items():
        paths = [SOURCES / f"{source}.c" for source in sources]
        subprocess.run([compiler, *FLAGS, "-o", directory / name, *paths], check=True)
    return Binaries(*(directory / name for name in _PROGRAMS))
