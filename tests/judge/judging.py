# SPDX-License-Identifier: MIT
"""Judging in one line."""

import os
from collections.abc import Callable

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import Judged, Own, Refused, judge
from fdbrokerd.model.holding import TYPES

NOBODY = Own(1, frozenset({"@fdbrokerd-nobody"}))


def judged(make: Callable[[], int], own: Own = NOBODY) -> Judged:
    """Make a descriptor and judge it."""
    with OwnedFd(make()) as one:
        found = judge(one.fileno(), own)
    assert found.type in TYPES
    assert found.what.isprintable()
    return found


def refusal(make: Callable[[], int], own: Own = NOBODY) -> str:
    """Make a descriptor that is refused; return why."""
    with OwnedFd(make()) as one, pytest.raises(Refused) as refused:
        judge(one.fileno(), own)
    assert refused.value.reason.isprintable()
    return refused.value.reason


def opened(path: str, flags: int = os.O_RDONLY) -> Callable[[], int]:
    """Return what opens a path."""
    return lambda: os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
