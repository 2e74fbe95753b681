# SPDX-License-Identifier: MIT
"""What is held: once for each open file description, and closed in an order that never blocks."""

import os
from collections.abc import Iterator
from contextlib import closing
from errno import EOPNOTSUPP

import pytest

from fdbrokerd.errors import OpenFailed
from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.held import name_of

from .shelf import Keeper, Shelf, a_pair, a_pipe, an_eventfd, inode


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with closing(Shelf()) as made:
        yield made


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_each_is_kept_elsewhere_before_the_item_is_there(shelf: Shelf) -> None:
    shelf.keeper.slow = []
    read, write = a_pipe()
    outcomes = shelf.begin("s/a", read, write)
    assert not outcomes
    assert shelf.store.find("s/a") is None
    assert shelf.table.state.items == {}
    shelf.keeper.go_on()
    assert [one.name for one in shelf.store.items()] == ["s/a"]
    assert shelf.keeper.said == ["keep i1", "keep i2"]
    assert len(outcomes) == 1


def test_names_are_short() -> None:
    """All of them come back in one environment string of 128 KiB."""
    assert len(name_of(10**11 - 1)) == 12


def test_one_open_file_under_two_names_is_held_once(shelf: Shelf) -> None:
    one = an_eventfd()
    copy = OwnedFd.copy_of(one.fileno())
    first, second = shelf.put("s/a", one), shelf.put("s/b", copy)
    assert first.ids == second.ids
    assert copy.closed
    assert shelf.keeper.said == ["keep i1"]
    assert shelf.store.descriptors == 1
    shelf.store.remove("s/a")
    assert shelf.keeper.stored
    shelf.store.remove("s/b")
    assert shelf.keeper.said == ["keep i1", "drop i1"]
    assert len(shelf.held) == 0


def test_one_open_file_twice_in_an_item(shelf: Shelf) -> None:
    one = an_eventfd()
    item = shelf.put("s/a", one, OwnedFd.copy_of(one.fileno()))
    assert [part.name for part in item.parts] == ["p0", "p1"]
    assert len(item.ids) == 1
    lent = shelf.store.lend(item)
    assert len(lent.descriptors) == 2
    lent.close()
    shelf.store.remove("s/a")
    assert shelf.store.descriptors == 0
    assert shelf.keeper.stored == {}


def test_two_of_one_inode_are_two(shelf: Shelf) -> None:
    """All eventfds have one inode; a pipe's has one for each."""
    first, second = shelf.put("s/a", an_eventfd()), shelf.put("s/b", an_eventfd())
    assert first.ids != second.ids


def test_ours_is_closed_before_the_manager_is_told(shelf: Shelf) -> None:
    """Who closes last may wait for a lingering socket, and that is never the daemon."""
    item = shelf.put("s/a", an_eventfd())
    number = shelf.held.number(*item.ids)
    seen: list[bool] = []
    shelf.keeper.on_drop = lambda: seen.append(is_open(number))
    shelf.store.remove("s/a")
    assert seen == [False]
    assert shelf.dismissed == []


def test_without_another_copy_somebody_else_closes() -> None:
    with closing(Shelf(Keeper(durable=False))) as shelf:
        read, write = a_pipe()
        ends = inode(read)
        shelf.put("s/a", read, write)
        shelf.store.remove("s/a")
        assert shelf.dismissed == [ends, ends]


def test_at_the_end_too() -> None:
    shelf = Shelf(Keeper(durable=False))
    one, other = a_pair()
    what = inode(one)
    shelf.put("s/a", one)
    shelf.close()
    assert shelf.dismissed == [what]
    other.close()


def test_at_the_end_what_is_kept_elsewhere_stays() -> None:
    shelf = Shelf()
    shelf.put("s/a", an_eventfd())
    shelf.close()
    assert list(shelf.keeper.stored) == ["i1"]
    assert shelf.dismissed == []


def test_what_is_lent_is_there_until_it_is_given_back(shelf: Shelf) -> None:
    read, write = a_pipe()
    item = shelf.put("s/a", read)
    lent = shelf.store.lend(item)
    shelf.store.remove("s/a")
    assert shelf.keeper.said == ["keep i1"]
    assert shelf.store.descriptors == 1
    number = lent.descriptors[0].fileno()
    assert is_open(number)
    lent.close()
    lent.close()
    assert not is_open(number)
    assert shelf.keeper.said == ["keep i1", "drop i1"]
    write.close()


def test_an_id_is_never_used_again(shelf: Shelf) -> None:
    ids: list[int] = []
    for _ in range(3):
        ids += shelf.put("s/a", an_eventfd()).ids
        shelf.store.remove("s/a")
    assert ids == [1, 2, 3]


# What goes wrong.


def test_all_or_none_where_one_cannot_be_kept(shelf: Shelf) -> None:
    shelf.keeper.failing = {"i2"}
    error = shelf.refused("s/a", an_eventfd(), an_eventfd(), an_eventfd())
    assert isinstance(error, OpenFailed)
    assert shelf.store.descriptors == 0
    assert shelf.keeper.stored == {}
    assert sorted(shelf.keeper.said) == ["drop i1", "drop i3", "keep i1", "keep i2", "keep i3"]
    assert len(shelf.dismissed) == 1, "the one of which there is no other copy"
    assert shelf.table.state.items == {}


def test_one_that_another_put_is_still_keeping_is_waited_for(shelf: Shelf) -> None:
    shelf.keeper.slow = []
    one = an_eventfd()
    copy = OwnedFd.copy_of(one.fileno())
    first, second = shelf.begin("s/a", one), shelf.begin("s/b", copy)
    assert not first
    assert not second
    shelf.keeper.go_on()
    assert len(first) == len(second) == 1
    assert shelf.held.is_kept(1)


def test_one_that_fails_is_no_harm_to_who_shares_it_later(shelf: Shelf) -> None:
    shelf.keeper.failing = {"i1"}
    one = an_eventfd()
    copy = OwnedFd.copy_of(one.fileno())
    shelf.refused("s/a", one)
    shelf.keeper.failing = set()
    assert shelf.put("s/b", copy).ids == (2,)
    assert list(shelf.keeper.stored) == ["i2"]


def unknown(one: int, other: int) -> None:
    """Say what a kernel without F_DUPFD_QUERY and kcmp says."""
    del one, other


def test_two_that_cannot_be_told_apart_are_refused_where_one_would_be_dropped() -> None:
    with closing(Shelf(same=unknown)) as shelf:
        shelf.put("s/a", an_eventfd())
        error = shelf.refused("s/b", an_eventfd(), an_eventfd())
        assert isinstance(error, OpenFailed)
        assert error.errno == EOPNOTSUPP
        assert len(shelf.dismissed) == 2
        assert shelf.store.descriptors == 1


def test_they_are_no_harm_where_nothing_is_kept() -> None:
    with closing(Shelf(Keeper(durable=False), same=unknown)) as shelf:
        first, second = shelf.put("s/a", an_eventfd()), shelf.put("s/b", an_eventfd())
        assert first.ids != second.ids


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_whatever_cannot_be_looked_at_is_refused_with_all_others(fails_at: int) -> None:
    def bucket_of(_: int) -> int:
        looked.append(1)
        if len(looked) > fails_at:
            raise OSError(EOPNOTSUPP, "no")
        return len(looked)

    looked: list[int] = []
    with closing(Shelf(bucket_of=bucket_of)) as shelf:
        shelf.refused("s/a", an_eventfd(), an_eventfd(), an_eventfd())
        assert shelf.store.descriptors == 0
        assert shelf.keeper.stored == {}


def test_the_room_is_counted_when_they_come_as_well() -> None:
    """Commits that were begun together each had room; systemd drops the last one in silence."""
    with closing(Shelf(Keeper(room=2 + 3))) as shelf:
        shelf.keeper.slow = []
        first = shelf.begin("s/a", an_eventfd(), an_eventfd())
        second = shelf.refused("s/b", an_eventfd(), an_eventfd())
        assert second.parameters() == {"limit": "store"}
        assert len(shelf.dismissed) == 2
        shelf.keeper.go_on()
        assert len(first) == 1
        shelf.put("s/c", an_eventfd())
