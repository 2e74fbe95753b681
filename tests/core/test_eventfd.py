# SPDX-License-Identifier: MIT
"""Counters by which one process wakes another."""

import errno
import fcntl
import os

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.eventfd import KIND, MAX_INITIAL
from fdbrokerd.model.key import Values
from fdbrokerd.opened import Opened

from .made import a_peer, a_request, only_one
from .processes import in_child, open_numbers, other_process, readable, room_for


def opened(count: int = 1, /, **keys: object) -> Opened:
    named = {name.replace("_", "-"): value for name, value in keys.items()}
    spec = KIND.spec(Values(named), frozenset())
    assert not KIND.may_block(spec)
    return KIND.open(spec, a_request("bell", count), a_peer(), may_wait=False)


def one(**keys: object) -> OwnedFd:
    return only_one(opened(**keys))


@pytest.mark.parametrize("initial", [1, 7, MAX_INITIAL])
def test_it_begins_with_what_was_configured(initial: int) -> None:
    with one(initial=initial) as bell:
        assert os.eventfd_read(bell.fileno()) == initial
        assert not readable(bell.fileno(), 0)


def test_it_begins_with_nothing_and_waits() -> None:
    with one() as bell:
        assert fcntl.fcntl(bell.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert not fcntl.fcntl(bell.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK
        with other_process(lambda: os.eventfd_write(bell.fileno(), 3)):
            assert os.eventfd_read(bell.fileno()) == 3


def test_a_semaphore_gives_one_at_a_time() -> None:
    with one(initial=2, semaphore=True, non_blocking=True) as bell:
        assert [os.eventfd_read(bell.fileno()) for _ in range(2)] == [1, 1]
        with pytest.raises(BlockingIOError):
            os.eventfd_read(bell.fileno())


def test_non_blocking() -> None:
    with one(non_blocking=True) as bell, pytest.raises(BlockingIOError):
        os.eventfd_read(bell.fileno())


def test_several_are_numbered_and_distinct() -> None:
    made = opened(2, initial=5, non_blocking=True)
    assert made.names == ("eventfd0", "eventfd1")
    first, second = (each.fileno() for each in made.descriptors)
    assert os.eventfd_read(first) == 5
    assert os.eventfd_read(second) == 5
    made.close()


def test_all_of_them_or_none() -> None:
    def run_out() -> None:
        before = open_numbers()
        with room_for(2), pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
            opened(3)
        assert refused.value.errno == errno.EMFILE
        assert open_numbers() == before

    in_child(run_out)


def test_how_it_holds_items() -> None:
    holding = KIND.holding(KIND.spec(Values({"names": "a/*"}), frozenset()))
    assert (holding.makes, holding.once, holding.accept) == (True, False, frozenset({"eventfd"}))
    assert holding.names is not None
    assert holding.names.pieces == ("a/*",)
    assert KIND.descriptors == ("eventfd",)
