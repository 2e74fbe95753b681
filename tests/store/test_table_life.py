# SPDX-License-Identifier: MIT
"""The table of a daemon that is killed, torn and refused at any time."""

import os
import random
import signal
from contextlib import ExitStack, closing, suppress
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store import table
from fdbrokerd.store.item import Item
from fdbrokerd.store.records import Gone, Leased, Put, Record, Returned
from fdbrokerd.store.table import Table

from .changes import (
    GRANTS,
    ITEMS,
    LEASES,
    NAMES,
    PARTS,
    RECORDS,
    TRANSACTIONS,
    UIDS,
    an_item,
    contents,
    holding,
    loaded,
    moments,
    what_is_in,
)


def killed_at_every_byte(made: Table, records: list[Record]) -> int:
    """Load what is left at each moment; return how often the table was compacted meanwhile."""
    compacted = 0
    for record in records:
        before, active = what_is_in(made), made.descriptors[0]
        with moments(made) as seen:
            made.append(record)
        after = what_is_in(made)
        happened = False
        for moment in seen:
            happened = happened or moment.whole
            with loaded(*moment.memories) as again:
                assert what_is_in(again) == (after if happened else before)
        compacted += made.descriptors[0] is not active
        with loaded(*moment.memories) as again:
            again.append(Gone("s/after", "after", 1))
            with loaded(*map(contents, again.descriptors)) as third:
                assert third.state.finished("after")
    return compacted


@given(st.lists(RECORDS, min_size=1, max_size=5))
@settings(max_examples=6, deadline=None)
def test_a_kill_at_any_byte_leaves_the_table_before_or_after(records: list[Record]) -> None:
    with closing(Table.create()) as made:
        killed_at_every_byte(made, records)


def test_so_does_a_kill_at_any_byte_of_a_compaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "COMPACT_BYTES", 0)
    monkeypatch.setattr(table, "COMPACT_FACTOR", 1)
    records: list[Record] = [
        Put(an_item("s/a", 1, 2, transaction="t1")),
        Put(an_item("s/a", 2, transaction="t1")),
        Leased("g", 1, "r", 1, ("k",), 2, 3),
        Gone("s/a", "t2", 3),
    ]
    with closing(Table.create()) as made:
        assert killed_at_every_byte(made, records) == len(records)


def test_a_killed_process_loses_nothing_that_it_was_told_of() -> None:
    """SIGKILL, at random moments, of a process that compacts all the time."""
    chance = random.Random(2)  # noqa: S311 (no secret)
    for _ in range(15):
        made = Table.create()
        copies = [OwnedFd.copy_of(memory.fileno()) for memory in made.descriptors]
        told, tells = os.pipe()
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                table.COMPACT_BYTES = 2000
                for number in range(1, 1 << 30):
                    made.append(Put(an_item("s/a" * (number % 40), number)))
                    os.write(tells, b".")
            os._exit(1)
        os.close(tells)
        try:
            done = chance.randrange(1, 400)
            for _ in range(done):
                assert os.read(told, 1) == b"."
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        made.close()
        with open(told, "rb") as rest:
            done += len(rest.read())
        with closing(Table.load(copies[0], copies[1])) as again:
            assert again.state.next_id > done


class Life(RuleBasedStateMachine):
    """A table, and what it should say, by other means; killed, torn and refused at any time."""

    @initialize(small=st.sampled_from([0, 300, 2000]))
    def begin(self, small: int) -> None:
        self.patches = ExitStack()
        self.patches.enter_context(patch.object(table, "COMPACT_BYTES", small))
        self.table = Table.create()
        self.table._compact_past = small
        self.items: dict[str, Item] = {}
        self.leases: dict[str, Leased] = {}
        self.used: set[int] = {0}
        self.held: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "table"):
            self.table.close()
            self.patches.close()

    def change(self, record: Record) -> None:
        freed = self.table.append(record)
        held = {part.id for item in self.items.values() for part in item.parts}
        assert sorted(freed) == sorted(self.held - held)
        self.held = held

    @rule(item=ITEMS)
    def put(self, item: Item) -> None:
        self.items[item.name] = item
        self.used.update(item.ids)
        self.held.update(item.ids)
        self.change(Put(item))
        assert not item.transaction or self.table.state.finished(item.transaction)

    @rule(name=NAMES, part=PARTS)
    def strip(self, name: str, part: str) -> None:
        if name in self.items:
            old = self.items.pop(name)
            parts = tuple(each for each in old.parts if each.name != part)
            if parts:
                self.items[name] = Item(
                    name, old.owner, old.created, old.expires, old.metadata, parts, old.transaction
                )
            self.change(Put(self.items[name]) if parts else Gone(name))

    @rule(name=NAMES, transaction=TRANSACTIONS, uid=UIDS)
    def go(self, name: str, transaction: str, uid: int) -> None:
        self.items.pop(name, None)
        self.change(Gone(name, transaction, uid))
        assert not transaction or self.table.state.finished(transaction) == (uid, name)

    @rule(lease=LEASES)
    def lease(self, lease: Leased) -> None:
        self.leases[lease.id] = lease
        self.change(lease)

    @rule(grant=GRANTS)
    def give_back(self, grant: str) -> None:
        self.leases.pop(grant, None)
        self.change(Returned(grant))

    @rule()
    def take_id(self) -> None:
        number = self.table.state.new_id()
        assert number > max(self.used)
        self.put(an_item("s/a", number))

    @rule(record=RECORDS, room=st.integers(0, 30))
    def refuse(self, record: Record, room: int) -> None:
        real = os.pwrite
        with (
            patch.object(os, "pwrite", lambda file, data, at: real(file, data[:room], at)),
            pytest.raises(OSError, match="were written"),
        ):
            self.table.append(record)

    def again(self, *each: bytes) -> None:
        before = what_is_in(self.table)
        self.table.close()
        self.table = Table.load(*map(holding, each))
        assert what_is_in(self.table) == before

    @rule(alone=st.booleans())
    def kill(self, alone: bool) -> None:  # noqa: FBT001 (hypothesis gives it)
        each = [contents(memory) for memory in self.table.descriptors]
        self.again(*each[: 1 if alone else 2])

    @rule(record=RECORDS, data=st.data())
    def kill_in_a_write(self, record: Record, data: st.DataObject) -> None:
        """Leave a record that is not whole, so it never was."""
        each = [contents(memory) for memory in self.table.descriptors]
        with closing(Table.load(*map(holding, each))) as twin:
            twin._compact_past = 1 << 30
            twin.append(record)
            after = contents(twin.descriptors[0])
        cut = data.draw(st.integers(len(each[0]), len(after) - 1))
        self.again(after[:cut], each[1])

    @rule()
    def damage_the_idle(self) -> None:
        self.again(contents(self.table.descriptors[0]), b"half a body of a compaction")

    @invariant()
    def it_says_what_happened(self) -> None:
        if not hasattr(self, "table"):
            return
        state = self.table.state
        assert state.items == self.items
        assert state.leases == self.leases
        ids = [part.id for item in self.items.values() for part in item.parts]
        assert {number: state.users(number) for number in state.ids} == {
            number: ids.count(number) for number in ids
        }


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
