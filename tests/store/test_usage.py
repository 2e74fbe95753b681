# SPDX-License-Identifier: MIT
"""The sums that quotas are held against are those of what is there, whatever comes and goes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.errors import LimitReached
from fdbrokerd.model.holding import Quota, QuotaPer
from fdbrokerd.model.resource import resource_of
from fdbrokerd.store.item import Item
from fdbrokerd.store.usage import Amount, Usage

from .changes import ITEMS

CHANGES = st.lists(st.tuples(st.booleans(), ITEMS), max_size=30)


@given(CHANGES)
@settings(max_examples=100, deadline=None)
def test_the_sums_are_those_of_what_is_there(changes: list[tuple[bool, Item]]) -> None:
    usage, there = Usage(), dict[str, Item]()
    for comes, item in changes:
        if (before := there.pop(item.name, None)) is not None:
            usage.remove(before)
        if comes:
            there[item.name] = item
            usage.add(item)
    expected: dict[tuple[str, int | None], Amount] = {}
    for item in there.values():
        for owner in (item.owner, None):
            expected.setdefault((resource_of(item.name), owner), Amount()).add(item)
    assert dict(usage._of) == expected
    for number in range(1, 10):
        named = {item.name for item in there.values() if number in item.ids}
        assert set(usage.names(number)) == named
    assert set(usage._names) == {number for item in there.values() for number in item.ids}


def reached(usage: Usage, quota: Quota, item: Item, instead_of: Item | None = None) -> str:
    try:
        usage.check(quota, item, instead_of)
    except LimitReached as error:
        return error.limit
    return ""


def test_a_check_counts_nothing() -> None:
    usage, item = Usage(), Item("s/a", 1, 1, None, {"k": "v"}, (), "")
    assert reached(usage, Quota(metadata=2), item) == ""
    assert reached(usage, Quota(metadata=1), item) == "metadata"
    assert reached(usage, Quota(items=0), item) == "items"
    assert dict(usage._of) == {}


def test_the_owner_of_what_goes_matters_only_for_a_quota_of_each() -> None:
    usage = Usage()
    there, comes = (Item("s/a", owner, 1, None, {}, (), "") for owner in (1, 2))
    usage.add(there)
    usage.add(Item("s/b", 2, 1, None, {}, (), ""))
    assert reached(usage, Quota(items=1), comes, there) == "items"
    assert reached(usage, Quota(items=2, per=QuotaPer.STORE), comes, there) == ""
    assert reached(usage, Quota(items=2, per=QuotaPer.STORE), comes) == "items"
