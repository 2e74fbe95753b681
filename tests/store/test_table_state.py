# SPDX-License-Identifier: MIT
"""What the records mean, and which finished transactions are remembered."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.store.finished import MAX_FINISHED, MAX_FINISHED_PER_UID, Finished
from fdbrokerd.store.records import Gone, Leased, Put, Returned
from fdbrokerd.store.state import State

from .changes import (
    TRANSACTIONS,
    UIDS,
    an_item,
)


def test_an_item_comes_is_replaced_and_goes() -> None:
    state = State()
    assert state.apply(Put(an_item("s/a", 1, 2))) == ()
    assert state.apply(Put(an_item("s/b", 2, 3))) == ()
    assert [state.users(number) for number in (1, 2, 3, 4)] == [1, 2, 1, 0]
    assert state.apply(Put(an_item("s/a", 2, 4))) == (1,)
    assert state.apply(Gone("s/b")) == (3,)
    assert state.ids == {2, 4}
    assert state.apply(Gone("s/b")) == ()
    assert list(state.items) == ["s/a"]


def test_a_replacement_may_be_the_same_descriptor() -> None:
    state = State()
    state.apply(Put(an_item("s/a", 1)))
    assert state.apply(Put(an_item("s/a", 1))) == ()
    assert state.users(1) == 1


def test_leases_begin_and_end() -> None:
    state = State()
    lease = Leased("g", 1, "r", 2, ("held", 7), 11, 2**63)
    assert state.apply(lease) == ()
    assert State.of_snapshot(state.encode_snapshot()).leases == {"g": lease}
    assert state.apply(Returned("g")) == ()
    assert state.apply(Returned("g")) == ()
    assert not state.leases


def test_transactions_that_finished_are_known() -> None:
    state = State()
    state.apply(Put(an_item("s/a", 1, transaction="put", owner=5)))
    state.apply(Put(an_item("s/b", 2)))
    state.apply(Gone("s/a", "take", 6))
    state.apply(Gone("s/b"))
    for known in (state, State.of_snapshot(state.encode_snapshot())):
        assert known.finished("put") == (5, "s/a")
        assert known.finished("take") == (6, "s/a")
        assert known.finished("") is None


def test_an_id_is_never_used_again() -> None:
    state = State()
    assert [state.new_id(), state.new_id()] == [1, 2]
    state.apply(Put(an_item("s/a", 7)))
    state.apply(Gone("s/a"))
    assert state.new_id() == 8
    state.pass_over(20)
    state.pass_over(3)
    assert state.new_id() == 21
    assert State.of_snapshot(state.encode_snapshot()).new_id() == 22


# The ring of what was finished.


def test_a_uid_pushes_out_only_its_own() -> None:
    ring = Finished()
    ring.add("other", 1, "s/a")
    for number in range(MAX_FINISHED_PER_UID + 3):
        ring.add(f"t{number}", 2, "s/b")
    assert len(ring) == MAX_FINISHED_PER_UID + 1
    assert ring.find("other") == (1, "s/a")
    assert [name for name, _, _ in ring][1] == "t3"


def test_where_all_are_full_who_has_the_most_pays() -> None:
    ring = Finished()
    for number in range(MAX_FINISHED - 1):
        ring.add(f"t{number}", number % 40, "s/a")
    ring.add("few", 1000, "s/a")
    for number in range(200):
        ring.add(f"more{number}", 2000, "s/b")
        assert len(ring) == MAX_FINISHED
    assert ring.find("few")
    assert sum(uid == 2000 for _, uid, _ in ring) < MAX_FINISHED_PER_UID


def test_the_newest_is_known_however_many_users_there_are() -> None:
    ring = Finished()
    for uid in range(MAX_FINISHED + 10):
        ring.add(f"t{uid}", uid, "s/a")
        assert ring.find(f"t{uid}")
    assert len(ring) == MAX_FINISHED
    assert ring.find("t9") is None


@given(st.lists(st.tuples(TRANSACTIONS, UIDS), max_size=60))
@settings(max_examples=50, deadline=None)
def test_the_ring_stays_within_its_bounds(done: list[tuple[str, int]]) -> None:
    ring = Finished()
    with (
        patch("fdbrokerd.store.finished.MAX_FINISHED", 8),
        patch("fdbrokerd.store.finished.MAX_FINISHED_PER_UID", 3),
    ):
        for transaction, uid in done:
            ring.add(transaction, uid, "s/a")
            assert ring.find(transaction) == (uid, "s/a")
            assert len(ring) == len(list(ring)) <= 8
            uids = [owner for _, owner, _ in ring]
            assert all(uids.count(each) <= 3 for each in uids)
