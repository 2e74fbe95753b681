# SPDX-License-Identifier: MIT
"""Users' names, asked for in a child."""

import os
import pwd
import signal

import pytest

from fdbrokerd.errors import CallError, LimitReached, TimedOut
from fdbrokerd.model.peer import UNMAPPED_ID
from fdbrokerd.opener import pool as module
from tests.core.made import USER

from .desk import Desk


def look_up(desk: Desk, uid: int) -> str | CallError | None:
    found: list[str | CallError | None] = []
    desk.pool.look_up(uid, found.append)
    assert not found, "never at once"
    desk.until(lambda: found)
    return found[0]


def test_names(desk: Desk) -> None:
    assert look_up(desk, os.geteuid()) == pwd.getpwuid(os.geteuid()).pw_name
    assert look_up(desk, USER) is None
    assert look_up(desk, UNMAPPED_ID) is None
    assert len(desk.pool._idle) == 1, "one child after the other"


def test_a_name_service_that_hangs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.05)
    child = desk.pool._zygote.child()
    os.kill(child.pid, signal.SIGSTOP)
    desk.pool._idle.add(child, closing=False)
    found = look_up(desk, USER)
    assert isinstance(found, TimedOut)
    assert str(found) == f"timed out: the name of uid {USER}"
    monkeypatch.undo()
    desk.until(lambda: not desk.pool._given_up)
    assert look_up(desk, USER) is None


def test_too_many_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPENING_PER_UID", 0)
    with pytest.raises(LimitReached):
        desk.pool.look_up(USER, lambda _: None)
