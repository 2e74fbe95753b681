# SPDX-License-Identifier: MIT
"""What the tests of rules share."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def private_files() -> Iterator[None]:
    """Make files that only their owner may write, whatever the umask of whoever runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)
