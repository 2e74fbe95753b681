# SPDX-License-Identifier: MIT
"""A directory that other users can reach, unlike pytest's own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a new directory of ours, mode 0755, below a sticky one."""
    path = Path(tempfile.mkdtemp(prefix="fdb-", dir="/tmp"))
    os.chmod(path, 0o755)  # noqa: S103 (what is tested)
    yield path
    shutil.rmtree(path)
