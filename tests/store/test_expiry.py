# SPDX-License-Identifier: MIT
"""What has had its time goes then, and is handed out to nobody before it has gone."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from fdbrokerd.errors import ItemExists, OpenFailed
from fdbrokerd.model.holding import Quota
from fdbrokerd.store import expiry
from fdbrokerd.store.alarm import Alarm, now_ns
from fdbrokerd.store.expiry import Expiry
from fdbrokerd.store.item import Item

from .shelf import Keeper, Loop, Shelf, an_eventfd

MS = 1_000_000


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with closing(Shelf(Keeper(room=1000), quota=Quota(items=1000, descriptors=1000))) as made:
        yield made


def test_each_goes_in_its_time_and_no_other(shelf: Shelf) -> None:
    for name, seconds in (("s/c", 0.03), ("s/a", 0.01), ("s/b", 0.02), ("s/never", None)):
        shelf.put(name, an_eventfd(), seconds=seconds)
    shelf.events.clear()
    shelf.loop.until(lambda: len(shelf.events) == 3)
    assert shelf.events == ["expired s/a", "expired s/b", "expired s/c"]
    assert [item.name for item in shelf.store.items()] == ["s/never"]
    assert not shelf.loop.turn()


def test_on_time(shelf: Shelf) -> None:
    begun = now_ns()
    shelf.put("s/a", an_eventfd(), seconds=0.05)
    shelf.loop.until(lambda: len(shelf.store) == 0)
    assert 50 * MS <= now_ns() - begun < 1000 * MS


def test_nobody_finds_it_though_nobody_has_removed_it_yet(shelf: Shelf) -> None:
    item = shelf.put("s/a", an_eventfd(), seconds=0.001)
    assert item.expires is not None
    while now_ns() < item.expires:
        pass
    assert len(shelf.store) == 1
    assert shelf.store.find("s/a") is None
    assert list(shelf.store.items()) == []
    shelf.put("s/a", an_eventfd())
    shelf.loop.turn()
    assert shelf.store.find("s/a") is not None


def test_the_time_of_what_was_replaced_is_nobodys(shelf: Shelf) -> None:
    shelf.put("s/a", an_eventfd(), seconds=0.005)
    shelf.put("s/a", an_eventfd(), seconds=None, replace=True)
    assert isinstance(shelf.refused("s/a", an_eventfd()), ItemExists)
    shelf.put("s/b", an_eventfd(), seconds=0.01)
    shelf.loop.until(lambda: "expired s/b" in shelf.events)
    assert shelf.store.find("s/a") is not None


def test_a_hundred_at_once(shelf: Shelf) -> None:
    for number in range(100):
        shelf.put(f"s/{number}", an_eventfd(), seconds=0.05)
    shelf.loop.until(lambda: len(shelf.store) == 0)
    assert shelf.keeper.stored == {}


def test_what_cannot_be_removed_is_tried_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "RETRY_NS", 5 * MS)
    tries: list[str] = []
    remove = shelf.store.remove

    def fail_twice(name: str, *arguments: object) -> None:
        tries.append(name)
        if len(tries) < 3:
            raise OpenFailed.of(name, 28)
        remove(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shelf.store, "remove", fail_twice)
    shelf.put("s/a", an_eventfd(), seconds=0.001)
    shelf.loop.until(lambda: len(shelf.store) == 0)
    assert tries == ["s/a"] * 3


def test_deadlines_of_what_is_gone_do_not_pile_up() -> None:
    loop = Loop()
    items: dict[str, Item] = {}
    with closing(Expiry(Alarm(loop.watch, loop.unwatch), items, lambda _: True)) as made:
        for number in range(10_000):
            item = Item("s/a", 1, number, now_ns() + 10**12, {}, (), "")
            items["s/a"] = item
            made.add(item)
            assert len(made._heap) < 100


def test_a_far_future_is_no_fault(shelf: Shelf) -> None:
    shelf.put("s/a", an_eventfd(), seconds=10 * 365 * 86400)
    assert not shelf.loop.turn()


def test_an_alarm_that_was_set_again_does_not_ring_for_the_first() -> None:
    loop, rings = Loop(), list[str]()
    with closing(Alarm(loop.watch, loop.unwatch)) as alarm:
        alarm.set(0, lambda: rings.append("early"))
        alarm.set(now_ns() + 10**12, lambda: rings.append("late"))
        assert not loop.turn(0.01)
        assert rings == []
        alarm.set(now_ns() - 5, lambda: rings.append("past"))
        loop.until(lambda: rings == ["past"])
