# SPDX-License-Identifier: MIT
"""Who cannot be looked at for want of descriptors is hung up on, not taken for a stranger."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from .broker import rules, running
from .daemons import command
from .wire import HungUp, connect

PYTHON = os.readlink("/proc/self/exe")
ROOM = 40
"""Descriptors: enough to start with, and to serve some."""


@pytest.mark.parametrize("peer", ["uid: 0", f"uid: 0, exe: {PYTHON}"])
def test_no_descriptors_left(tmp_path: Path, capfd: pytest.CaptureFixture[str], peer: str) -> None:
    text = rules(f"id: root, allow: note, peer: {{{peer}}}")
    limited = ("prlimit", f"--nofile={ROOM}:{ROOM}", "--", *command())
    served = 0
    with running(tmp_path, text, limited) as broker, ExitStack() as stack:
        for _ in range(ROOM):
            wire = stack.enter_context(connect(broker.address))
            try:
                items = wire.call("List").parameters["items"]
            except (HungUp, BrokenPipeError):
                continue
            assert [item["name"] for item in items] == ["note"], "it is who it is"
            served += 1
    assert 0 < served < ROOM
    said = capfd.readouterr().err.splitlines()
    assert all(one.startswith("fdbrokerd: Serving ") for one in said), said
