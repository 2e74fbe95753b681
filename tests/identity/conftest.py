# SPDX-License-Identifier: MIT
"""These tests act as several users and in several namespaces."""

import pytest

from tests import needs


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    """Go on only as root."""
    needs.need_root("they act as several users, in namespaces of their own")
