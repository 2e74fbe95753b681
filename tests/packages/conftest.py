# SPDX-License-Identifier: MIT
"""The packages, built once, and a fresh Debian 13 with them for each file of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.booted.machine import Machine
from tests.booted.tree import debian_tree

from . import deb

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def packages() -> deb.Packages:
    """Return the Debian packages of this checkout, checked by lintian."""
    return deb.build()


@pytest.fixture(scope="module")
def fresh() -> Iterator[Machine]:
    """Return Debian 13 with what the packages depend on, and nothing of them."""
    with Machine(debian_tree()) as machine:
        yield machine


@pytest.fixture(scope="module")
def installed(fresh: Machine, packages: deb.Packages) -> Machine:
    """Return Debian 13 with the packages installed, and nothing done since."""
    packages.install(fresh)
    return fresh
