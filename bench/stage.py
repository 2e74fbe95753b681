# SPDX-License-Identifier: MIT
"""fdbrokerd as a Debian package would lay it out, and its peers in Python, to copy over a tree."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from bench.binaries import Binaries

TOP = Path(__file__).resolve().parents[1]
"""Of the checkout."""

LAP = "/usr/bin/fdbroker-bench-lap"


def prepare(stage: Path, binaries: Binaries) -> None:
    """Lay out packages and programs."""
    library = find_spec("asyncvarlink")
    assert library is not None
    assert library.origin is not None
    modules = stage / "usr/lib/python3/dist-packages"
    for package in (TOP / "fdbrokerd", TOP / "bench", Path(library.origin).parent):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, modules / package.name, ignore=ignored)
    shutil.copytree(TOP / "packaging/programs", stage / "usr/bin")
    shutil.copy(binaries.lap, stage / LAP.lstrip("/"))
