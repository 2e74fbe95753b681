# SPDX-License-Identifier: MIT
"""Attacks on a real daemon, by processes of other users and from namespaces of their own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    """Be root: the attackers are other users, in namespaces of their own."""
    needs.need_root("the attackers are other users, in namespaces of their own")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a new directory of root's that all can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="fdb-", dir="/tmp"))
    os.chmod(path, 0o755)  # noqa: S103 (what is attacked)
    yield path
    shutil.rmtree(path)
