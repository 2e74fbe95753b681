# SPDX-License-Identifier: MIT
"""The soak, bounded: tools/soak makes ten million requests."""

from pathlib import Path

import pytest

from tests import needs

from .soak import soak

REQUESTS = 30_000
"""Some ten seconds."""

WORKERS = 4


@pytest.fixture(autouse=True)
def as_root() -> None:
    """Be root: each worker is a user of its own."""
    needs.need_root("its clients are several users")


@pytest.mark.timeout(180)
def test_nothing_leaks_and_all_is_recorded_once(tmp_path: Path) -> None:
    figures = soak(tmp_path, requests=REQUESTS, workers=WORKERS, seed=1)
    assert figures.faults == []
    assert figures.requests >= REQUESTS
    assert figures.killed_clients > 0
    assert figures.outcomes.keys() == {
        "any", "answered", "denied", "failed", "granted", "hung-up"
    }  # fmt: skip
    assert figures.warm_kib > 0
