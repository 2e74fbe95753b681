# SPDX-License-Identifier: MIT
"""One open file description or two."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import bucket, same_file
from fdbrokerd.judge.same_file import _can_query, _compare

from . import syscalls
from .judging import opened

MAKERS: list[Callable[[], int]] = [
    lambda: os.eventfd(0, os.EFD_CLOEXEC),
    syscalls.timerfd,
    lambda: os.memfd_create("m", os.MFD_CLOEXEC),
    lambda: socket.socket().detach(),
    lambda: os.pidfd_open(os.getpid()),
    opened("/dev/ptmx", os.O_RDWR),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("compare", [same_file, _compare])
def test_a_copy_is_the_same_and_another_is_not(
    make: Callable[[], int], compare: Callable[[int, int], bool | None]
) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(OwnedFd(make())) for _ in range(2))
        copy = stack.enter_context(OwnedFd.copy_of(one.fileno()))
        assert compare(one.fileno(), copy.fileno()) is True
        assert compare(one.fileno(), other.fileno()) is False
        assert bucket(one.fileno()) == bucket(copy.fileno())


def test_what_is_opened_anew_is_another() -> None:
    with (
        OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC)) as one,
        OwnedFd(opened(f"/proc/self/fd/{one.fileno()}", os.O_RDWR)()) as anew,
    ):
        assert bucket(one.fileno()) == bucket(anew.fileno())
        assert same_file(one.fileno(), anew.fileno()) is False


def test_masters_have_a_bucket_each() -> None:
    with (
        OwnedFd(opened("/dev/ptmx", os.O_RDWR)()) as one,
        OwnedFd(opened("/dev/ptmx", os.O_RDWR)()) as other,
    ):
        assert bucket(one.fileno()) != bucket(other.fileno())


def test_nobody_knows_where_neither_call_works(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["fdbrokerd.judge.same_file"]
    monkeypatch.setattr(module, "_can_query", lambda: False)
    monkeypatch.setattr(module, "_SYS_KCMP", {})
    assert same_file(0, 0) is None


def test_this_kernel_can_be_asked() -> None:
    _can_query.cache_clear()
    assert isinstance(_can_query(), bool)
