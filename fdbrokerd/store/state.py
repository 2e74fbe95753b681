# SPDX-License-Identifier: MIT
"""What the table says: the sum of its records. Values alone, no edge of the system."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec

from fdbrokerd.store.finished import Finished
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.records import Gone, Leased, Put, Record, Returned, Unreadable


class _Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    next_id: int
    items: tuple[Item, ...]
    leases: tuple[Leased, ...]
    finished: tuple[tuple[str, int, str], ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Snapshot)


class State:
    """The items, the leases and the finished transactions; `items` and `leases` are to be read.

    `next_id` is above every id that was ever used, also by what is gone: systemd may still hold a
    descriptor under it.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.leases: dict[str, Leased] = {}
        self.next_id = 1
        self._finished = Finished()
        self._users: dict[int, int] = {}

    @classmethod
    def of_snapshot(cls, data: bytes | memoryview) -> "State":
        """Return the state that was encoded. Raises Unreadable."""
        try:
            snapshot = _decoder.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Unreadable(f"not a snapshot: {error}") from error
        state = cls()
        state.next_id = max(state.next_id, snapshot.next_id)
        for item in snapshot.items:
            state._put(item)
        for lease in snapshot.leases:
            state.leases[lease.id] = lease
        for transaction, uid, name in snapshot.finished:
            state._finished.add(transaction, uid, name)
        return state

    def encode_snapshot(self) -> bytes:
        """Return all of it as JSON; equal bytes are equal states."""
        items, leases = tuple(self.items.values()), tuple(self.leases.values())
        return _encoder.encode(_Snapshot(self.next_id, items, leases, tuple(self._finished)))

    def new_id(self) -> int:
        """Return an id that was never used. The record that uses it makes that last."""
        number = self.next_id
        self.next_id += 1
        return number

    def pass_over(self, number: int) -> None:
        """Never give out this id or one below it: a descriptor was found under it."""
        self.next_id = max(self.next_id, number + 1)

    def users(self, number: int) -> int:
        """Return how many parts, over all items, this id is."""
        return self._users.get(number, 0)

    @property
    def ids(self) -> AbstractSet[int]:
        """Return the ids that are used, as a view."""
        return self._users.keys()

    def finished(self, transaction: str) -> tuple[int, str] | None:
        """Return the uid and the item of a transaction that was committed of late, or None."""
        return self._finished.find(transaction)

    def apply(self, record: Record) -> tuple[int, ...]:
        """Change what the record says, and return the ids that nothing uses any more.

        Never fails: by then the record is written. What is not there cannot go, and frees nothing.
        """
        match record:
            case Put(item):
                if item.transaction:
                    self._finished.add(item.transaction, item.owner, item.name)
                return self._put(item)
            case Gone(name, transaction, uid):
                if transaction:
                    self._finished.add(transaction, uid, name)
                gone = self.items.pop(name, None)
                return () if gone is None else self._leave(gone.parts)
            case Leased():
                self.leases[record.id] = record
            case Returned(lease):
                self.leases.pop(lease, None)
        return ()

    def _put(self, item: Item) -> tuple[int, ...]:
        """Count the new one before the old one is left: they may share descriptors."""
        for part in item.parts:
            self._users[part.id] = self._users.get(part.id, 0) + 1
            self.pass_over(part.id)
        replaced = self.items.get(item.name)
        self.items[item.name] = item
        return () if replaced is None else self._leave(replaced.parts)

    def _leave(self, parts: Iterable[Part]) -> tuple[int, ...]:
        freed = []
        for part in parts:
            self._users[part.id] -= 1
            if not self._users[part.id]:
                del self._users[part.id]
                freed.append(part.id)
        return tuple(freed)
