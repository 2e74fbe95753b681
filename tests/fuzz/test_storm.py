# SPDX-License-Identifier: MIT
"""A short storm; `tools/fuzz --frames 1000000` is a long one."""

from pathlib import Path

from tests.needs import need_root

from .siege import besiege, besieged

FRAMES = 20_000


def test_a_storm_changes_nothing(tmp_path: Path) -> None:
    """The comparison itself is in `besiege`."""
    need_root("clients of several users")
    with besieged(tmp_path) as broker:
        figures = besiege(broker, FRAMES)
    assert figures.frames >= FRAMES
    assert figures.records == sum(figures.outcomes.values())
    assert min(figures.outcomes.values()) > FRAMES // 50, "a mix of all outcomes"
    assert figures.descriptors_refused + figures.receives_truncated > 0
