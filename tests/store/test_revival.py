# SPDX-License-Identifier: MIT
"""What came back with a start: every combination of what was kept, and what was not."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import pytest

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.server.kept import Kept, divide
from fdbrokerd.server.revival import NOBODYS, Surroundings, revive
from fdbrokerd.store.held import name_of
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.log import TableLost
from fdbrokerd.store.records import Put
from fdbrokerd.store.table import Table
from fdbrokerd.systemd import Passed

from .changes import contents, holding
from .shelf import Keeper, Loop, Shelf, a_pair, an_eventfd


class Manager:
    """A service manager over several lives of a daemon: what it stores comes back with each."""

    def __init__(self) -> None:
        self.stored: dict[str, OwnedFd] = {}
        self.room = 100
        self.durable = True

    def keep(self, name: str, descriptor: int, then: Callable[[OSError | None], None]) -> None:
        if name not in self.stored:
            self.stored[name] = OwnedFd.copy_of(descriptor)
        then(None)

    def drop(self, name: str) -> None:
        if name in self.stored:
            self.stored.pop(name).close()

    def passed(self) -> list[Passed]:
        """Return what the next life begins with, in the order that systemd has: the last first."""
        return [
            Passed(name, OwnedFd.copy_of(one.fileno()))
            for name, one in reversed(self.stored.items())
        ]

    def close(self) -> None:
        close_all(self.stored.values())


class Life:
    """A store of one life, and what was said and closed at its beginning."""

    def __init__(self, manager: Manager | Keeper, kept: Kept) -> None:
        self.loop = Loop()
        self.said: list[str] = []
        self.dismissed = 0
        around = Surroundings(
            manager,
            self._dismiss,
            self.loop.watch,
            self.loop.unwatch,
            lambda _: None,
            self.said.append,
        )
        self.store = revive(kept, around)

    def _dismiss(self, descriptors: Iterable[OwnedFd]) -> None:
        owned = list(descriptors)
        self.dismissed += len(owned)
        close_all(owned)

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.store.items()]

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with closing(Manager()) as made:
        yield made


def life(manager: Manager) -> Life:
    """Begin the next life with what was stored."""
    kept, doors = divide(manager.passed())
    assert doors == []
    return Life(manager, kept)


def filled(manager: Manager, *names: str) -> dict[str, tuple[int, ...]]:
    """Live once, and leave items of two descriptors each; return the ids of each."""
    shelf = Shelf(manager)  # type: ignore[arg-type]
    for name, memory in zip(("t0", "t1"), shelf.table.descriptors, strict=True):
        manager.keep(name, memory.fileno(), lambda _: None)
    ids = {}
    for name in names:
        ids[name] = shelf.put(name, an_eventfd(), an_eventfd(), metadata={"n": name}).ids
    shelf.close()
    return ids


# Told apart by name.


def test_what_was_kept_and_what_is_a_door() -> None:
    names = ["i7", "varlink", "t1", "stored", "i7", "t0", "i0", "i07", "ix", "", "t1", "t2"]
    passed = [Passed(name, an_eventfd()) for name in names]
    kept, doors = divide(passed)
    assert list(kept.descriptors) == [7]
    assert kept.descriptors[7] is passed[0].descriptor
    assert kept.tables == {"t1": passed[2].descriptor, "t0": passed[5].descriptor}
    assert kept.strays == [passed[at].descriptor for at in (3, 4, 10)]
    assert [one.name for one in doors] == ["varlink", "i0", "i07", "ix", "", "t2"]
    kept.close()
    close_all(one.descriptor for one in doors)


# All of it.


def test_nothing_was_kept(manager: Manager) -> None:
    with closing(life(manager)) as again:
        assert (again.names, again.said, again.dismissed) == ([], [], 0)
        assert list(manager.stored) == ["t0", "t1"]


def test_all_comes_back_as_it_was(manager: Manager) -> None:
    ids = filled(manager, "s/a", "s/b")
    for _ in range(3):
        with closing(life(manager)) as again:
            assert again.said == []
            assert {item.name: item.ids for item in again.store.items()} == ids
            assert [item.metadata for item in again.store.items()] == [{"n": "s/a"}, {"n": "s/b"}]
            item = again.store.find("s/a")
            assert item is not None
            lent = again.store.lend(item)
            assert len(lent.descriptors) == 2
            lent.close()
            assert not again.store.is_reserved("s/a")
    assert sorted(manager.stored) == ["i1", "i2", "i3", "i4", "t0", "t1"]


def test_what_is_removed_later_leaves_the_manager(manager: Manager) -> None:
    filled(manager, "s/a", "s/b")
    with closing(life(manager)) as again:
        again.store.remove("s/a")
        assert again.dismissed == 0, "the manager closes it"
    assert sorted(manager.stored) == ["i3", "i4", "t0", "t1"]
    with closing(life(manager)) as again:
        assert again.names == ["s/b"]
        assert again.store.table.state.new_id() == 5


def test_hang_ups_and_deadlines_go_on(manager: Manager) -> None:
    one, other = a_pair()
    shelf = Shelf(manager)  # type: ignore[arg-type]
    for name, memory in zip(("t0", "t1"), shelf.table.descriptors, strict=True):
        manager.keep(name, memory.fileno(), lambda _: None)
    shelf.put("s/a", one)
    shelf.put("s/b", an_eventfd(), seconds=0.001)
    shelf.close()
    with closing(life(manager)) as again:
        events: list[str] = []
        again.store.watching.add("s", lambda event, name: events.append(f"{event.value} {name}"))
        again.loop.until(lambda: events == ["expired s/b"])
        other.close()
        again.loop.until(lambda: events[1:] == ["hangup s/a"])
    assert sorted(manager.stored) == ["i1", "t0", "t1"]


# Not all of it.


@pytest.mark.parametrize("lost", [["i1"], ["i2"], ["i1", "i2"]])
def test_an_item_that_lacks_a_descriptor_is_lost(manager: Manager, lost: list[str]) -> None:
    filled(manager, "s/a", "s/b")
    for name in lost:
        manager.drop(name)
    with closing(life(manager)) as again:
        assert again.names == ["s/b"]
        assert again.said[0].startswith("s/a of uid 7 is lost: ")
        assert ("descriptors belong to no item" in "".join(again.said)) == (len(lost) == 1)
    assert sorted(manager.stored) == ["i3", "i4", "t0", "t1"]
    with closing(life(manager)) as again:
        assert (again.names, again.said) == (["s/b"], [])


def test_what_no_item_names_is_closed(manager: Manager) -> None:
    """A Put that was interrupted between the descriptors and the record."""
    filled(manager, "s/a")
    for name in ("i3", "i9"):
        with an_eventfd() as one:
            manager.keep(name, one.fileno(), lambda _: None)
    with closing(life(manager)) as again:
        assert again.names == ["s/a"]
        assert again.said == ["2 descriptors belong to no item, and are closed"]
        assert again.dismissed == 0, "ours, while the manager has them; then the manager"
        assert again.store.table.state.new_id() == 10
    assert sorted(manager.stored) == ["i1", "i2", "t0", "t1"]


def test_what_has_no_name_is_closed(manager: Manager) -> None:
    filled(manager, "s/a")
    passed = manager.passed()
    passed += [Passed("stored", an_eventfd()), Passed("i1", an_eventfd())]
    kept, _ = divide(passed)
    with closing(Life(manager, kept)) as again:
        assert again.names == ["s/a"]
        assert again.said == ["2 descriptors came back without a name, and are closed"]
        assert again.dismissed == 2


@pytest.mark.parametrize("lost", ["t0", "t1"])
def test_one_half_of_the_table_is_enough_if_it_is_the_right_one(
    manager: Manager, lost: str
) -> None:
    filled(manager, "s/a")
    manager.drop(lost)
    with closing(life(manager)) as again:
        if lost == "t1":
            assert (again.names, again.said) == (["s/a"], [])
    assert sorted(manager.stored) == ["i1", "i2", "t0", "t1"]
    with closing(life(manager)) as again:
        assert len(again.names) in {1, 2}
        assert again.said == []


def damage(manager: Manager, how: str) -> None:
    if how == "gone":
        manager.drop("t0")
        manager.drop("t1")
        return
    for name in ("t0", "t1"):
        data = b"" if how == "empty" else b"\xff" * 100
        manager.stored.pop(name).close()
        manager.stored[name] = holding(data)


@pytest.mark.parametrize("how", ["gone", "empty", "nonsense"])
def test_without_a_table_all_stays_until_somebody_decides(manager: Manager, how: str) -> None:
    """At the next start, too, and none of it can be had by anybody."""
    filled(manager, "s/a")
    damage(manager, how)
    for turn in range(3):
        with closing(life(manager)) as again:
            assert len(again.said) == (0 if turn else 1)
            assert turn or "2 held descriptors have lost their names" in again.said[0]
            assert again.names == [f"{NOBODYS}/i1", f"{NOBODYS}/i2"]
            assert again.store.descriptors == 2
            assert again.dismissed == 0
        assert sorted(manager.stored) == ["i1", "i2", "t0", "t1"]
    with closing(life(manager)) as again:
        assert again.store.table.state.new_id() == 3


def test_a_torn_record_is_cut_off_and_said(manager: Manager) -> None:
    filled(manager, "s/a")
    table = manager.stored["t0"].fileno()
    os.pwrite(table, b"\x50\0\0\0half", os.fstat(table).st_size)
    with closing(life(manager)) as again:
        assert again.names == ["s/a"]
        assert again.said == ["8 bytes of an unfinished record were cut off the table"]


def test_a_table_of_a_newer_version_stays_with_the_manager(manager: Manager) -> None:
    """The newer daemon can read it still: this one must not throw it away."""
    filled(manager, "s/a")
    data = bytearray(contents(manager.stored["t0"]))
    data[8] += 1
    os.pwrite(manager.stored["t0"].fileno(), data, 0)
    kept, _ = divide(manager.passed())
    loop = Loop()
    around = Surroundings(
        manager, close_all, loop.watch, loop.unwatch, lambda _: None, lambda _: None
    )
    with pytest.raises(TableLost, match="newer"):
        revive(kept, around)
    assert sorted(manager.stored) == ["i1", "i2", "t0", "t1"]
    assert issubclass(TableLost, Error)
    for number in list(loop.watched):
        loop.unwatch(number)
    kept.close()


def test_every_combination_of_what_is_missing() -> None:
    """Whatever comes back, what is there is whole, and the next start has nothing to say."""
    pieces = ["i1", "i2", "i3", "i4", "t0"]
    for missing in itertools.chain.from_iterable(
        itertools.combinations(pieces, count) for count in range(6)
    ):
        with closing(Manager()) as each:
            filled(each, "s/a", "s/b")
            for name in missing:
                each.drop(name)
            with closing(life(each)) as again:
                first = again.names
                if "t0" not in missing:
                    whole = {"s/a": {"i1", "i2"}, "s/b": {"i3", "i4"}}
                    assert first == [one for one in whole if not whole[one] & {*missing}]
                for item in again.store.items():
                    lent = again.store.lend(item)
                    assert len(lent.descriptors) == len(item.parts)
                    lent.close()
            with closing(life(each)) as again:
                assert again.names == first
                assert again.said == []


def test_without_a_manager_nothing_that_came_is_left_open() -> None:
    """FileDescriptorStoreMax= was taken away: they are the manager's own still."""
    table = Table.create()
    table.append(Put(Item("s/a", 7, 1, None, {}, (Part("x", 1, "eventfd", ""),), "")))
    kept = Kept(
        {"t0": OwnedFd.copy_of(table.descriptors[0].fileno())}, {1: an_eventfd()}, [an_eventfd()]
    )
    table.close()
    with closing(Life(Keeper(durable=False), kept)) as again:
        assert again.names in ([], ["s/a"])
        assert again.said


def test_names_are_as_they_are_kept() -> None:
    kept, _ = divide([Passed(name_of(12), an_eventfd())])
    assert list(kept.descriptors) == [12]
    kept.close()
