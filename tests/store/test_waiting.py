# SPDX-License-Identifier: MIT
"""The queues of those who wait."""

from collections.abc import Callable

import pytest

from fdbrokerd.store.waiting import Waiting


def always() -> bool:
    return True


class Waiter:
    """Notes when it is asked, and answers as it is told to."""

    def __init__(self, name: str, asked: list[str], *, ends: bool = True) -> None:
        self.name = name
        self.asked = asked
        self.ends = ends

    def __call__(self) -> bool:
        self.asked.append(self.name)
        return self.ends


def test_in_order_of_arrival_and_once() -> None:
    waiting, asked = Waiting(), list[str]()
    for name in "abc":
        waiting.add("s/x", Waiter(name, asked))
    waiting.add("s/y", Waiter("other", asked))
    waiting.wake("s/x", always)
    waiting.wake("s/x", always)
    assert asked == ["a", "b", "c"]
    assert list(waiting._queues) == ["s/y"]


def test_who_still_waits_keeps_the_place() -> None:
    waiting, asked = Waiting(), list[str]()
    first = Waiter("a", asked, ends=False)
    waiting.add("s/x", first)
    waiting.add("s/x", Waiter("b", asked))
    waiting.wake("s/x", always)
    first.ends = True
    waiting.add("s/x", Waiter("c", asked))
    waiting.wake("s/x", always)
    assert asked == ["a", "b", "a", "c"]
    assert not waiting._queues


def test_who_left_is_not_asked() -> None:
    waiting, asked = Waiting(), list[str]()
    leave = waiting.add("s/x", Waiter("a", asked))
    waiting.add("s/x", Waiter("b", asked))
    leave()
    leave()
    waiting.wake("s/x", always)
    assert asked == ["b"]


def test_who_is_made_to_leave_from_within_is_not_asked() -> None:
    waiting, asked = Waiting(), list[str]()
    leaves: list[Callable[[], None]] = []

    def again() -> bool:
        leaves.pop()()
        return True

    waiting.add("s/x", again)
    leaves.append(waiting.add("s/x", Waiter("b", asked)))
    waiting.add("s/x", Waiter("c", asked))
    waiting.wake("s/x", always)
    assert asked == ["c"]


def test_what_wakes_from_within_is_done_afterwards() -> None:
    """Of another name, too: a chain of peers that have gone is as long as it likes."""
    waiting, asked = Waiting(), list[str]()

    def link(number: int) -> Callable[[], bool]:
        def again() -> bool:
            waiting.wake(f"s/{number + 1}", always)
            asked.append(str(number))
            return True

        return again

    for number in range(3000):
        waiting.add(f"s/{number}", link(number))
    waiting.wake("s/0", always)
    assert asked == [str(number) for number in range(3000)]


def test_a_mistake_does_not_stop_the_next_time() -> None:
    waiting, asked = Waiting(), list[str]()

    def again() -> bool:
        raise ZeroDivisionError

    leave = waiting.add("s/x", again)
    waiting.add("s/x", Waiter("b", asked))
    with pytest.raises(ZeroDivisionError):
        waiting.wake("s/x", always)
    leave()
    waiting.wake("s/x", always)
    assert asked == ["b"]
