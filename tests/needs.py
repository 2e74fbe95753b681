# SPDX-License-Identifier: MIT
"""What a test needs of the machine. Where it is missing the test is skipped; in CI it fails."""

import os
import shutil
from typing import NoReturn

import pytest


def cannot(reason: str) -> NoReturn:
    """Skip the test that runs, or fail it where FDBROKER_CI=1 says that nothing may be missing."""
    if os.environ.get("FDBROKER_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need_root(why: str) -> None:
    """Go on only as root."""
    if os.geteuid() != 0:
        cannot(f"needs root: {why}")


def need_tool(name: str) -> str:
    """Return the path of a program, or go no further."""
    path = shutil.which(name)
    if path is None:
        cannot(f"needs {name}")
    return path
