# SPDX-License-Identifier: MIT
"""One open file description or two."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count as numbers_from

import pytest

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import bucket, order, same_file
from fdbrokerd.judge.same_file import _can_query, _compare
from fdbrokerd.store.held import Held
from tests.needs import cannot
from tests.store.shelf import Keeper

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
    monkeypatch.setattr(module, "_KCMP", None)
    assert same_file(0, 0) is None


def test_this_kernel_can_be_asked() -> None:
    _can_query.cache_clear()
    assert isinstance(_can_query(), bool)


@contextmanager
def many(count: int) -> Iterator[list[int]]:
    """Lend some eventfds, all of one bucket."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(OwnedFd(os.eventfd(0, os.EFD_CLOEXEC))).fileno()
            for _ in range(count)
        ]


def held_with(asked: list[int], order: Callable[[int, int], int | None]) -> Held:
    def same(one: int, other: int) -> bool | None:
        asked.append(one)
        return same_file(one, other)

    return Held(Keeper(), close_all, same, bucket, lambda _: None, order)


def test_of_many_in_one_bucket_few_are_compared() -> None:
    if order(0, 0) is None:
        cannot("needs kcmp(2)")
    asked: list[int] = []
    held = held_with(asked, order)
    new_ids = numbers_from()
    with many(500) as numbers, OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as stranger:
        for at, number in enumerate(numbers):
            assert held.enter(OwnedFd.copy_of(number), new_ids.__next__) == at
        for at in range(0, 500, 3):
            held.release(at)
        asked.clear()
        for at, number in enumerate(numbers):
            again = held.enter(OwnedFd.copy_of(number), partial(int, 1000 + at))
            assert again == (at if at % 3 else 1000 + at)
        assert held.enter(OwnedFd.copy_of(stranger.fileno()), lambda: 2000) == 2000
        assert len(asked) <= 501, "one each"
        held.close()


def test_an_order_that_is_lost_is_not_relied_on() -> None:
    """A sandbox may come to filter kcmp(2): then all are compared, and the same is found."""
    answers = iter([1, -1, 1])
    held = held_with([], lambda *_: next(answers, None))
    with many(20) as numbers:
        for at, number in enumerate(numbers):
            held.add(at, OwnedFd.copy_of(number))
        again = [held.enter(OwnedFd.copy_of(number), lambda: -1) for number in numbers]
        assert again == list(range(20))
        held.close()
