# SPDX-License-Identifier: MIT
"""fdbrokerd as a Debian package would lay it out, and its peers in Python, to copy over a tree."""

import shutil
import tomllib
from importlib.util import find_spec
from pathlib import Path

from bench.binaries import Binaries

TOP = Path(__file__).resolve().parents[1]
"""Of the checkout."""

LAP = "/usr/bin/fdbroker-bench-lap"

# As tests/booted/project.py installs them: isolated, and without what site looks for.
_PROGRAM = """\
#!/usr/bin/python3 -Is
import sys
from {module} import {function}
sys.exit({function}())
"""


def prepare(stage: Path, binaries: Binaries) -> None:
    """Lay out packages and programs."""
    library = find_spec("asyncvarlink")
    assert library is not None
    assert library.origin is not None
    modules = stage / "usr/lib/python3/dist-packages"
    for package in (TOP / "fdbrokerd", TOP / "bench", Path(library.origin).parent):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, modules / package.name, ignore=ignored)
    programs = stage / "usr/bin"
    programs.mkdir()
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    for name, entry in project["scripts"].items():
        module, function = entry.split(":")
        program = programs / name
        program.write_text(_PROGRAM.format(module=module, function=function))
        program.chmod(0o755)
    shutil.copy(binaries.lap, stage / LAP.lstrip("/"))
