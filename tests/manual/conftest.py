# SPDX-License-Identifier: MIT
"""The programs by their names, for what is run as its reader would."""

import sys
from pathlib import Path

import pytest

from .page import ROOT
from .programs import MODULES


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that has the programs of this checkout, for PATH."""
    directory = tmp_path_factory.mktemp("bin")
    for name, module in MODULES.items():
        program = directory / name
        # Not `-m`: `fdbrokerd --run` finds the other programs beside the one that is run.
        program.write_text(
            f"#!{sys.executable} -P\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from fdbrokerd.cli.{module} import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
    return directory
