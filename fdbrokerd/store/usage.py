# SPDX-License-Identifier: MIT
"""How much of a store whose items take up, and which items use which descriptor."""

from collections import defaultdict

from msgspec import Struct

from fdbrokerd.errors import LimitReached
from fdbrokerd.model.holding import Quota, QuotaPer
from fdbrokerd.model.resource import resource_of
from fdbrokerd.store.item import Item


class Amount(Struct):
    """What a quota counts."""

    items: int = 0
    descriptors: int = 0
    metadata: int = 0

    def add(self, item: Item, sign: int = 1) -> None:
        """Count an item, or with -1 no longer."""
        self.items += sign
        self.descriptors += sign * len(item.parts)
        self.metadata += sign * item.metadata_bytes


class Usage:
    """The sums, kept as items come and go."""

    def __init__(self) -> None:
        self._of: defaultdict[tuple[str, int | None], Amount] = defaultdict(Amount)
        self._names: defaultdict[int, set[str]] = defaultdict(set)

    def add(self, item: Item) -> None:
        """Count an item."""
        for key in _keys(item):
            self._of[key].add(item)
        for identity in item.ids:
            self._names[identity].add(item.name)

    def remove(self, item: Item) -> None:
        """Count it no longer."""
        for key in _keys(item):
            self._of[key].add(item, -1)
            if not self._of[key].items:
                del self._of[key]
        for identity in item.ids:
            self._names[identity].discard(item.name)
            if not self._names[identity]:
                del self._names[identity]

    def names(self, identity: int) -> tuple[str, ...]:
        """Return the names of the items that use a descriptor."""
        return tuple(self._names.get(identity, ()))

    def check(self, quota: Quota, item: Item, instead_of: Item | None) -> None:
        """Raise LimitReached where a quota has no room for an item, in the place of another."""
        owner = None if quota.per is QuotaPer.STORE else item.owner
        now = self._of.get((resource_of(item.name), owner), Amount())
        then = Amount(now.items, now.descriptors, now.metadata)
        then.add(item)
        if instead_of is not None and owner in {None, instead_of.owner}:
            then.add(instead_of, -1)
        for limit in ("items", "descriptors", "metadata"):
            if getattr(then, limit) > getattr(quota, limit):
                raise LimitReached(limit=limit)


def _keys(item: Item) -> tuple[tuple[str, int | None], ...]:
    resource = resource_of(item.name)
    return ((resource, item.owner), (resource, None))
