# SPDX-License-Identifier: MIT
"""The durable table: what is in it after any end of the process that wrote it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from errno import EINVAL, ENOSPC
from itertools import count
from unittest.mock import patch

import pytest

from fdbrokerd.store import log, table
from fdbrokerd.store.log import TableLost
from fdbrokerd.store.records import Gone, Put
from fdbrokerd.store.table import COMPACT_BYTES, Table

from .changes import (
    an_item,
    contents,
    holding,
    loaded,
    what_is_in,
)


@pytest.fixture
def made() -> Iterator[Table]:
    with closing(Table.create()) as made:
        yield made


# Two memfds.


def test_a_new_table_is_to_be_given_to_the_service_manager(made: Table) -> None:
    assert made.durable
    assert made.fresh == made.descriptors
    assert len(made.descriptors) == 2
    for memory in made.descriptors:
        assert fcntl.fcntl(memory.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert not os.fstat(memory.fileno()).st_mode & 0o111 or not noexec_is_known()
    first, second = map(contents, made.descriptors)
    assert first
    assert not second, "so that, alone, it says that it is nothing"


def noexec_is_known() -> bool:
    try:
        os.close(os.memfd_create("probe", os.MFD_CLOEXEC | 0x8))
    except OSError:
        return False
    return True


def test_before_linux_6_3_it_is_a_plain_memfd() -> None:
    asked = []

    def memfd_create(name: str, flags: int) -> int:
        asked.append(flags)
        if flags & 0x8:
            raise OSError(EINVAL, "as an old kernel says")
        return real(name, flags)

    real = os.memfd_create
    with patch.object(os, "memfd_create", memfd_create), closing(Table.create()) as made:
        assert len(made.descriptors) == 2
    assert asked == [os.MFD_CLOEXEC | 0x8, os.MFD_CLOEXEC] * 2


def test_in_memory_nothing_lasts_and_all_else_is_the_same() -> None:
    made = Table.in_memory()
    assert not made.durable
    assert made.descriptors == made.fresh == ()
    assert made.append(Put(an_item("s/a", 1))) == ()
    assert made.append(Gone("s/a")) == (1,)
    made.close()


def test_it_is_loaded_in_either_order(made: Table) -> None:
    made.append(Put(an_item("s/a", 1)))
    first, second = map(contents, made.descriptors)
    for order in ((first, second), (second, first)):
        with loaded(*order) as again:
            assert what_is_in(again) == what_is_in(made)
            assert again.fresh == ()
            assert again.cut_bytes == 0
            assert contents(again.descriptors[0]) == first


def test_one_that_is_missing_is_made_and_said(made: Table) -> None:
    made.append(Put(an_item("s/a", 1)))
    with loaded(contents(made.descriptors[0])) as again:
        assert what_is_in(again) == what_is_in(made)
        assert again.fresh == again.descriptors[1:]
        again.append(Put(an_item("s/b", 2)))
        with loaded(*map(contents, again.descriptors)) as third:
            assert list(third.state.items) == ["s/a", "s/b"]


def test_a_torn_tail_is_cut_off_and_written_over(made: Table) -> None:
    made.append(Put(an_item("s/a", 1)))
    with loaded(contents(made.descriptors[0]) + b"torn") as again:
        assert again.cut_bytes == 4
        assert contents(again.descriptors[0]) == contents(made.descriptors[0])
        again.append(Put(an_item("s/b", 2)))
        with loaded(*map(contents, again.descriptors)) as third:
            assert list(third.state.items) == ["s/a", "s/b"]


def newer(data: bytes) -> bytes:
    return data[: len(log.MAGIC)] + bytes([log.VERSION + 1]) + data[len(log.MAGIC) + 1 :]


@pytest.mark.parametrize("each", [(b"", b""), (b"",), (b"noise", b"\0" * 5000)])
def test_without_anything_valid_it_is_lost_and_closed(each: tuple[bytes, ...]) -> None:
    memories = [holding(one) for one in each]
    with pytest.raises(TableLost, match="damaged"):
        Table.load(*memories)
    assert all(memory.closed for memory in memories)


@pytest.mark.parametrize("place", [0, 1])
def test_what_a_newer_one_wrote_is_lost_and_not_passed_by(made: Table, place: int) -> None:
    """Also beside one that could be read: it is the older of the two."""
    memories = [holding(contents(made.descriptors[0])) for _ in range(2)]
    os.pwrite(memories[place].fileno(), newer(contents(memories[place])), 0)
    with pytest.raises(TableLost, match=r"written by a newer fdbrokerd \(its format is 2"):
        Table.load(*memories)
    assert all(memory.closed for memory in memories)


def test_no_descriptor_is_left_where_none_can_be_made(made: Table) -> None:
    """The fixture of all tests looks for what is left open."""
    real = os.memfd_create
    for allowed in range(2):
        left = count(-allowed)

        def memfd_create(name: str, flags: int, left: Iterator[int] = left) -> int:
            if flags & 0x8 or next(left) >= 0:
                raise OSError(ENOSPC, "no more")
            return real(name, flags)

        with patch.object(os, "memfd_create", memfd_create), pytest.raises(OSError, match="no mor"):
            Table.create()
    memory = holding(contents(made.descriptors[0]))
    with (
        patch.object(os, "memfd_create", side_effect=OSError(ENOSPC, "no more")),
        pytest.raises(OSError, match="no more"),
    ):
        Table.load(memory)
    assert memory.closed


# Written or not, and nothing between.


def test_a_change_that_cannot_be_written_does_not_happen(made: Table) -> None:
    made.append(Put(an_item("s/a", 1)))
    before, bytes_before = what_is_in(made), contents(made.descriptors[0])
    with (
        patch.object(os, "pwrite", side_effect=OSError(ENOSPC, "full")),
        pytest.raises(OSError, match="full"),
    ):
        made.append(Gone("s/a"))
    assert what_is_in(made) == before
    assert contents(made.descriptors[0]) == bytes_before
    assert made.append(Gone("s/a")) == (1,)


def test_a_change_is_written_before_it_is_seen(made: Table) -> None:
    def pwrite(number: int, data: bytes, offset: int) -> int:
        assert not made.state.items
        return real(number, data, offset)

    real = os.pwrite
    with patch.object(os, "pwrite", pwrite):
        made.append(Put(an_item("s/a", 1)))
    assert made.state.items


def test_a_compaction_ends_with_the_header_and_then_empties_the_old(
    made: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "_compact_past", 0)
    old, new = (memory.fileno() for memory in made.descriptors)
    calls: list[tuple[int, str]] = []
    real_pwrite, real_ftruncate = os.pwrite, os.ftruncate

    def pwrite(number: int, data: bytes, offset: int) -> int:
        calls.append((number, "header" if offset == 0 else "body"))
        return real_pwrite(number, data, offset)

    def ftruncate(number: int, length: int) -> None:
        calls.append((number, "empty"))
        real_ftruncate(number, length)

    os.pwrite(new, b"left by a crash", 0)
    with patch.object(os, "pwrite", pwrite), patch.object(os, "ftruncate", ftruncate):
        made.append(Put(an_item("s/a", 1)))
    steps = [(old, "body"), (new, "empty"), (new, "body"), (new, "header"), (old, "empty")]
    assert calls == steps, "the first one is the record"
    assert [memory.fileno() for memory in made.descriptors] == [new, old]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_compaction_that_fails_costs_nothing_and_is_tried_again(
    made: Table, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Body, header, or the emptying before them; the record itself is write 0."""
    active = made.descriptors[0]
    monkeypatch.setattr(made, "_compact_past", 0)
    monkeypatch.setattr(table, "COMPACT_BYTES", 300)
    os.pwrite(made.descriptors[1].fileno(), b"left by a crash", 0)
    writes = count()
    real = os.pwrite

    def pwrite(number: int, data: bytes, offset: int) -> int:
        if next(writes) == failing:
            return real(number, data[:-1], offset)
        return real(number, data, offset)

    with ExitStack() as stack:
        if failing == 3:
            stack.enter_context(patch.object(os, "ftruncate", side_effect=OSError(ENOSPC, "no")))
        else:
            stack.enter_context(patch.object(os, "pwrite", pwrite))
        made.append(Put(an_item("s/a", 1)))
    assert made.descriptors[0] is active
    assert failing == 3 or not contents(made.descriptors[1]), "its memory is given back"
    with loaded(*map(contents, made.descriptors)) as again:
        assert list(again.state.items) == ["s/a"]
        assert not contents(again.descriptors[1]), "nor is it kept by who loads it"
    made.append(Put(an_item("s/b", 1)))
    assert made.descriptors[0] is active, "not with each record: it would cost as much each time"
    for number in range(10):
        made.append(Put(an_item(f"s/{number}", 1)))
    assert made.descriptors[0] is not active
    with loaded(*map(contents, made.descriptors)) as again:
        assert what_is_in(again) == what_is_in(made)
        assert len(again.state.items) == 12


def test_an_old_log_that_could_not_be_emptied_is_passed_by(
    made: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "_compact_past", 0)
    old, new = (memory.fileno() for memory in made.descriptors)
    with patch.object(os, "ftruncate", side_effect=OSError(ENOSPC, "no")):
        made.append(Put(an_item("s/a", 1)))
    assert made.descriptors[0].fileno() == new
    made.append(Gone("s/a"))
    assert os.fstat(old).st_size
    each = [contents(memory) for memory in made.descriptors]
    for order in (each, each[::-1]):
        with loaded(*order) as again:
            assert not again.state.items


def test_a_table_is_compacted_before_no_more_can_be_written(
    made: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_LOG_BYTES", 1000)
    with loaded(*map(contents, made.descriptors)) as again:
        assert again._compact_past == 500


def test_many_changes_take_a_bounded_memory(made: Table) -> None:
    """The table itself is small all the while; a record is some hundred bytes."""
    largest = 0
    active = {made.descriptors[0]}
    for number in range(1, 6001):
        made.append(Put(an_item("s/a", number, transaction=f"{number:032x}")))
        made.append(Gone("s/a", f"t{number:032x}", 7))
        if not number % 50:
            active.add(made.descriptors[0])
            sizes = [os.fstat(memory.fileno()).st_size for memory in made.descriptors]
            largest = max(largest, sum(sizes))
    assert len(active) == 2
    assert COMPACT_BYTES * 0.9 < largest < COMPACT_BYTES + 20_000
    with loaded(*map(contents, made.descriptors)) as again:
        assert what_is_in(again) == what_is_in(made)
        assert again.state.new_id() == 6001


def test_a_large_table_is_compacted_each_time_it_has_doubled(made: Table) -> None:
    for number in range(1, 2000):
        made.append(Put(an_item(f"s/{number:0200}", number)))
    sizes = []
    for number in range(1, 20_000):
        active = made.descriptors[0]
        size = os.fstat(active.fileno()).st_size
        made.append(Put(an_item(f"s/{number % 100 + 1:0200}", number)))
        if made.descriptors[0] is not active:
            sizes.append((size, os.fstat(made.descriptors[0].fileno()).st_size))
            if len(sizes) == 3:
                break
    for grown, compacted in sizes[1:]:
        assert compacted > COMPACT_BYTES
        assert grown == pytest.approx(2 * compacted, rel=0.01)
