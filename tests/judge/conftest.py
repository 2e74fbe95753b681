# SPDX-License-Identifier: MIT
"""A directory that other users can reach, and a pool with children."""

from collections.abc import Iterator

import pytest

from tests.core.conftest import place
from tests.core.test_pool import LOOPS

from .desk import Desk, a_desk

__all__ = ["place"]


@pytest.fixture(params=LOOPS)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Return a desk on each loop, closed at the end."""
    with a_desk(request.param) as desk:
        yield desk
