# SPDX-License-Identifier: MIT
"""A small crowd; `tools/fuzz --half-open 10000` is a large one."""

from pathlib import Path

from tests.needs import need_root

from .crowd import half_open


def test_a_crowd_that_says_half(tmp_path: Path) -> None:
    """All are hung up on in time, each with its record, and others are served meanwhile."""
    need_root("clients of several users")
    crowd = half_open(tmp_path, 500, message_seconds=2)
    assert crowd.most_at_once > 100
    assert crowd.answers > 5
