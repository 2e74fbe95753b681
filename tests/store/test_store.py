# SPDX-License-Identifier: MIT
"""The items: each change at one moment, whatever happens around it."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import ENOSPC
from typing import Any

import pytest

from fdbrokerd.errors import Busy, Denied, ItemExists, LimitReached, OpenFailed
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.holding import Holding, Quota, QuotaPer
from fdbrokerd.store.item import Item

from .shelf import Keeper, Shelf, a_pair, a_pipe, an_eventfd


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with closing(Shelf()) as made:
        yield made


@pytest.fixture
def refuse_writes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what fills the memory of the table."""

    def append(record: object) -> tuple[int, ...]:
        raise OSError(ENOSPC, f"no room for {record}")

    return lambda: monkeypatch.setattr(shelf.table, "append", append)


# Put.


def test_it_is_there_with_all_that_was_said(shelf: Shelf) -> None:
    read, write = a_pipe()
    item = shelf.put("s/a", read, write, owner=8, metadata={"k": "v"})
    assert shelf.store.find("s/a") == item
    assert (item.owner, item.metadata, item.expires) == (8, {"k": "v"}, None)
    assert shelf.table.state.finished(item.transaction) == (8, "s/a")
    assert shelf.events == ["added s/a"]


def test_names_are_in_order(shelf: Shelf) -> None:
    for name in ("s/b", "s/a", "s/c"):
        shelf.put(name, an_eventfd())
    assert [item.name for item in shelf.store.items()] == ["s/a", "s/b", "s/c"]
    assert len(shelf.store) == 3


def test_a_second_one_of_a_name_is_refused(shelf: Shelf) -> None:
    first = shelf.put("s/a", an_eventfd())
    assert isinstance(shelf.refused("s/a", an_eventfd()), ItemExists)
    assert shelf.store.find("s/a") == first
    assert shelf.keeper.said == ["keep i1", "keep i2", "drop i2"]
    assert shelf.events == ["added s/a"]


def test_a_replacement_is_in_one_moment(shelf: Shelf) -> None:
    """The new one is kept before the old one goes, and the record says both."""
    shelf.put("s/a", an_eventfd(), an_eventfd())
    shelf.put("s/a", an_eventfd(), replace=True)
    assert shelf.keeper.said == ["keep i1", "keep i2", "keep i3", "drop i1", "drop i2"]
    assert shelf.events == ["added s/a", "replaced s/a"]
    assert shelf.store.descriptors == 1


def test_a_replacement_may_be_the_same_descriptor(shelf: Shelf) -> None:
    one = an_eventfd()
    copy = OwnedFd.copy_of(one.fileno())
    shelf.put("s/a", one)
    item = shelf.put("s/a", copy, replace=True)
    assert shelf.keeper.said == ["keep i1"]
    assert item.ids == (1,)
    lent = shelf.store.lend(item)
    os.eventfd_write(lent.descriptors[0].fileno(), 1)
    lent.close()


def test_who_replaces_is_asked_when_it_happens(shelf: Shelf) -> None:
    """An item may come between a Put and the end of its Commit."""

    def over(there: Item) -> None:
        asked.append(there.owner)
        raise Denied(resource=there.name, request="r")

    asked: list[int] = []
    shelf.keeper.slow = []
    late = shelf.begin("s/a", an_eventfd(), owner=1, replace=True, over=over)
    slow, shelf.keeper.slow = shelf.keeper.slow, None
    first = shelf.put("s/a", an_eventfd(), owner=2)
    for one in slow:
        shelf.keeper.keep(*one)
    assert isinstance(late[0], Denied)
    assert asked == [2]
    assert shelf.store.find("s/a") == first


def test_a_record_that_cannot_be_written_undoes_the_put(
    shelf: Shelf, refuse_writes: Callable[[], None]
) -> None:
    kept = shelf.put("s/a", an_eventfd())
    refuse_writes()
    assert isinstance(shelf.refused("s/b", an_eventfd()), OpenFailed)
    assert isinstance(shelf.refused("s/a", an_eventfd(), replace=True), OpenFailed)
    assert list(shelf.store.items()) == [kept]
    assert list(shelf.keeper.stored) == ["i1"]
    assert shelf.events == ["added s/a"]


def test_one_that_cannot_be_written_undoes_the_removal(
    shelf: Shelf, refuse_writes: Callable[[], None]
) -> None:
    item = shelf.put("s/a", an_eventfd())
    shelf.store.reserve("s/a")
    refuse_writes()
    with pytest.raises(OpenFailed):
        shelf.store.remove("s/a")
    assert shelf.store.find("s/a") == item
    assert shelf.store.is_reserved("s/a")
    assert list(shelf.keeper.stored) == ["i1"]


# Quotas.


def limit(shelf: Shelf, *arguments: Any, **more: Any) -> str:
    error = shelf.refused(*arguments, **more)
    assert isinstance(error, LimitReached)
    return str(error.limit)


def test_a_quota_of_each_uid() -> None:
    quota = Quota(items=2, descriptors=3, metadata=10)
    with closing(Shelf(quota=quota)) as shelf:
        shelf.put("s/a", an_eventfd(), metadata={"k": "12345"})
        assert limit(shelf, "s/b", *(an_eventfd() for _ in range(3))) == "descriptors"
        assert limit(shelf, "s/b", an_eventfd(), metadata={"kk": "123"}) == "metadata"
        shelf.put("s/b", an_eventfd(), metadata={"ä": "12"})
        assert limit(shelf, "s/c", an_eventfd()) == "items"
        shelf.put("s/c", an_eventfd(), owner=8)
        shelf.put("t/a", an_eventfd())
        shelf.store.remove("s/a")
        shelf.put("s/d", an_eventfd())


def test_a_quota_of_the_store() -> None:
    with closing(Shelf(quota=Quota(items=2, per=QuotaPer.STORE))) as shelf:
        shelf.put("s/a", an_eventfd(), owner=7)
        shelf.put("s/b", an_eventfd(), owner=8)
        assert limit(shelf, "s/c", an_eventfd(), owner=9) == "items"
        shelf.put("s/a", an_eventfd(), owner=9, replace=True)
        shelf.put("t/c", an_eventfd(), owner=9)


def test_what_is_replaced_makes_room() -> None:
    with closing(Shelf(quota=Quota(items=1, descriptors=2))) as shelf:
        shelf.put("s/a", an_eventfd(), an_eventfd())
        shelf.put("s/a", an_eventfd(), an_eventfd(), replace=True)
        assert limit(shelf, "s/a", *(an_eventfd() for _ in range(3)), replace=True) == "descriptors"


def test_another_ones_makes_none() -> None:
    """What was somebody else's never counted for who replaces it."""
    with closing(Shelf(quota=Quota(items=1))) as shelf:
        shelf.put("s/a", an_eventfd(), owner=7)
        shelf.put("s/b", an_eventfd(), owner=8)
        assert limit(shelf, "s/a", an_eventfd(), owner=8, replace=True) == "items"


def test_two_that_come_together_do_not_both_have_the_last_place() -> None:
    with closing(Shelf(quota=Quota(items=1))) as shelf:
        shelf.keeper.slow = []
        outcomes = [shelf.begin("s/a", an_eventfd()), shelf.begin("s/b", an_eventfd())]
        shelf.keeper.go_on()
        assert isinstance(outcomes[0][0], Item)
        assert isinstance(outcomes[1][0], LimitReached)
        assert shelf.store.descriptors == 1


def test_there_is_no_more_than_there_is_room_for() -> None:
    with closing(Shelf(Keeper(room=4))) as shelf:
        shelf.put("s/a", an_eventfd(), an_eventfd())
        item = shelf.store.find("s/a")
        assert item is not None
        with pytest.raises(LimitReached, match="store"):
            shelf.store.check(item, Holding(), replace=True)


# Reserved.


def test_what_is_reserved_is_neither_replaced_nor_doubled(shelf: Shelf) -> None:
    shelf.put("s/a", an_eventfd())
    shelf.store.reserve("s/a")
    assert isinstance(shelf.refused("s/a", an_eventfd(), replace=True), Busy)
    shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
    shelf.put("s/a", an_eventfd(), replace=True)


def test_its_time_ends_when_it_is_given_back(shelf: Shelf) -> None:
    shelf.put("s/a", an_eventfd(), seconds=0.001)
    shelf.store.reserve("s/a")
    shelf.loop.until(lambda: bool(shelf.store._reservations._after))
    assert "s/a" in shelf.table.state.items
    assert shelf.events == ["added s/a"]
    shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
    shelf.loop.until(lambda: len(shelf.store) == 0)
    assert shelf.events == ["added s/a", "expired s/a"]


def test_a_commit_after_its_time_is_good(shelf: Shelf) -> None:
    shelf.put("s/a", an_eventfd(), seconds=0.001)
    shelf.store.reserve("s/a")
    shelf.loop.until(lambda: bool(shelf.store._reservations._after))
    shelf.store.remove("s/a", transaction="t", uid=9)
    assert shelf.table.state.finished("t") == (9, "s/a")
    shelf.put("s/a", an_eventfd())
    assert not shelf.store._reservations._after


def test_a_part_goes_and_the_rest_stays(shelf: Shelf) -> None:
    read, write = a_pipe()
    shelf.put("s/a", read, write)
    shelf.store.reserve("s/a")
    shelf.store.strip("s/a", ["p0"])
    item = shelf.store.find("s/a")
    assert item is not None
    assert [part.name for part in item.parts] == ["p1"]
    assert shelf.store.descriptors == 1
    assert not shelf.store.is_reserved("s/a")
    shelf.store.reserve("s/a")
    shelf.store.strip("s/a", ["p1"])
    assert len(shelf.store) == 0
    assert shelf.keeper.stored == {}


# Hang-ups.


def test_a_hang_up_is_told_and_the_item_kept(shelf: Shelf) -> None:
    one, other = a_pair()
    shelf.put("s/a", one)
    other.close()
    shelf.loop.until(lambda: len(shelf.events) == 2)
    assert shelf.events == ["added s/a", "hangup s/a"]
    assert len(shelf.store) == 1
    assert not shelf.loop.turn(), "and told once"


def test_or_dropped() -> None:
    quota = Quota(items=1000)
    with closing(Shelf(Keeper(room=1000), drop_on_hangup=True, quota=quota)) as shelf:
        pairs = [a_pair() for _ in range(150)]
        for at, (one, _) in enumerate(pairs):
            shelf.put(f"s/{at}", one)
        shelf.put("s/kept", an_eventfd())
        for _, other in pairs:
            other.close()
        shelf.loop.until(lambda: len(shelf.store) == 1)
        assert shelf.events.count("hangup s/3") == 1
        assert shelf.events.count("removed s/3") == 1


def test_one_that_had_hung_up_before_is_dropped_under_each_name() -> None:
    with closing(Shelf(drop_on_hangup=True)) as shelf:
        one, other = a_pair()
        copy = OwnedFd.copy_of(one.fileno())
        other.close()
        shelf.holding = Holding()
        shelf.put("s/a", one)
        shelf.loop.until(lambda: "hangup s/a" in shelf.events)
        shelf.holding = Holding(drop_on_hangup=True)
        shelf.put("s/b", copy)
        shelf.loop.until(lambda: len(shelf.store) == 0)


def test_what_is_reserved_is_dropped_when_it_is_given_back() -> None:
    with closing(Shelf(drop_on_hangup=True)) as shelf:
        one, other = a_pair()
        shelf.put("s/a", one)
        shelf.store.reserve("s/a")
        other.close()
        shelf.loop.until(lambda: "hangup s/a" in shelf.events)
        assert len(shelf.store) == 1
        shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
        assert len(shelf.store) == 0
        assert not shelf.store.is_reserved("s/a")


def test_and_not_where_it_was_taken_and_another_has_its_name() -> None:
    with closing(Shelf(drop_on_hangup=True)) as shelf:
        one, other = a_pair()
        shelf.put("s/a", one)
        shelf.store.reserve("s/a")
        other.close()
        shelf.loop.until(lambda: "hangup s/a" in shelf.events)
        shelf.store.remove("s/a", transaction="t", uid=1)
        shelf.put("s/a", an_eventfd())
        shelf.store.reserve("s/a")
        shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
        assert len(shelf.store) == 1


# Who waits, and who watches.


def test_who_put_it_is_first_and_then_who_waits(shelf: Shelf) -> None:
    seen: list[str] = []

    def again() -> bool:
        seen.append("waiter")
        return True

    def then(_: object) -> None:
        seen.append("putter")

    shelf.wait("s/a", again)
    item = Item("s/a", 1, 1, None, {}, (), "")
    shelf.store.put(item, [], shelf.holding, then, replace=False)
    assert seen == ["putter", "waiter"]


def test_watchers_hear_of_it_before_it_goes_again(shelf: Shelf) -> None:
    """An end of a pipe that is had once may be gone within the answer."""
    item = Item("s/a", 1, 1, None, {}, (), "")
    shelf.store.put(item, [], shelf.holding, lambda _: shelf.store.remove("s/a"), replace=False)
    assert shelf.events == ["added s/a", "removed s/a"]


def test_who_waits_is_not_asked_for_what_is_reserved(shelf: Shelf) -> None:
    asked: list[str] = []

    def take(name: str) -> Callable[[], bool]:
        def again() -> bool:
            asked.append(name)
            shelf.store.reserve("s/a")
            return True

        return again

    for name in ("first", "second"):
        shelf.wait("s/a", take(name))
    shelf.put("s/a", an_eventfd())
    assert asked == ["first"]
    shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
    assert asked == ["first", "second"]


def test_a_thousand_that_cannot_be_answered_are_no_recursion(shelf: Shelf) -> None:
    """Each gives back from within what wakes the next one."""
    asked: list[int] = []

    def dead(number: int) -> Callable[[], bool]:
        def again() -> bool:
            asked.append(number)
            shelf.store.reserve("s/a")
            shelf.store.give_back("s/a", shelf.store._reservations._tickets["s/a"])
            return True

        return again

    for number in range(2000):
        shelf.wait("s/a", dead(number))
    shelf.put("s/a", an_eventfd())
    assert asked == list(range(2000))
