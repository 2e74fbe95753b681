# SPDX-License-Identifier: MIT
"""Whose other end has gone, told once, and of the right one."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.hangups import Hangups

from .shelf import Loop, a_pair, a_pipe, an_eventfd


class Watch:
    """Hang-ups, what was told, and a loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.hangups = Hangups(self.loop.watch, self.loop.unwatch)
        self.told: list[int] = []
        self.hangups.tell = self.told.append

    def close(self) -> None:
        self.hangups.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(Watch()) as made:
        yield made


def test_a_writer_a_reader_and_a_peer(watch: Watch) -> None:
    with ExitStack() as stack:
        for at, (kept, gone) in enumerate([a_pipe(), a_pipe()[::-1], a_pair()]):
            stack.enter_context(kept)
            watch.hangups.add(at, kept.fileno())
            assert not watch.loop.turn()
            gone.close()
            watch.loop.until(lambda at=at: at in watch.told)  # type: ignore[misc]
        assert watch.told == [0, 1, 2]
        assert not watch.loop.turn(), "the loop does not spin on them"


def test_a_master_without_a_slave(watch: Watch) -> None:
    with ExitStack() as stack:
        master, slave = (stack.enter_context(OwnedFd(number)) for number in os.openpty())
        watch.hangups.add(4, master.fileno())
        slave.close()
        watch.loop.until(lambda: watch.told == [4])
        watch.hangups.forget(master.fileno())


def test_a_file_is_fine(watch: Watch) -> None:
    with OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC)) as memory:
        watch.hangups.add(1, memory.fileno())
        watch.hangups.forget(memory.fileno())


def test_half_a_hang_up_is_none(watch: Watch) -> None:
    """Who has shut down the sending half reads still."""
    one, other = socket.socketpair()
    with one, other:
        watch.hangups.add(1, one.fileno())
        other.shutdown(socket.SHUT_WR)
        assert not watch.loop.turn()
        other.shutdown(socket.SHUT_RD)
        watch.loop.until(lambda: watch.told == [1])


def test_what_is_forgotten_is_not_told_though_copies_are_open(watch: Watch) -> None:
    one, other = a_pair()
    with OwnedFd.copy_of(one.fileno()):
        watch.hangups.add(1, one.fileno())
        watch.hangups.forget(one.fileno())
        one.close()
        other.close()
        assert not watch.loop.turn()
    watch.hangups.forget(4096)


def another_at(number: int) -> OwnedFd:
    """Return something else under a number that was just closed."""
    fresh = an_eventfd()
    if fresh.fileno() != number:
        with fresh:
            os.dup2(fresh.fileno(), number, inheritable=False)
        return OwnedFd(number)
    return fresh


def test_a_number_that_is_used_again_is_another_one(watch: Watch) -> None:
    one, other = a_pair()
    number = one.fileno()
    watch.hangups.add(1, number)
    watch.hangups.forget(number)
    one.close()
    other.close()
    with another_at(number):
        watch.hangups.add(2, number)
        assert not watch.loop.turn()
        assert watch.told == []
        watch.hangups.forget(number)


def test_also_within_one_turn(watch: Watch) -> None:
    """What is told of the first closes the second, and a new one gets its number."""
    with ExitStack() as stack:
        pairs = [a_pair(), a_pair()]
        for at, (one, _) in enumerate(pairs):
            watch.hangups.add(at, one.fileno())

        def tell(identity: int) -> None:
            watch.told.append(identity)
            if len(watch.told) > 1:
                return
            other = pairs[1 - identity][0]
            number = other.fileno()
            watch.hangups.forget(number)
            other.close()
            stack.enter_context(another_at(number))
            watch.hangups.add(7, number)

        watch.hangups.tell = tell
        for _, gone in pairs:
            gone.close()
        watch.loop.until(lambda: bool(watch.told))
        assert 7 not in watch.told
        for one, _ in pairs:
            one.close()


def test_many_at_once(watch: Watch) -> None:
    pairs = [a_pair() for _ in range(200)]
    for at, (one, _) in enumerate(pairs):
        watch.hangups.add(at, one.fileno())
    for _, other in pairs:
        other.close()
    watch.loop.until(lambda: len(watch.told) == 200)
    assert sorted(watch.told) == list(range(200))
    assert not watch.loop.turn()
    for one, _ in pairs:
        one.close()
