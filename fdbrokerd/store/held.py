# SPDX-License-Identifier: MIT
"""The descriptors themselves: each held once, under an id, by as many items as name it.

systemd keeps a copy of each where it can, and silently drops a second name for the same open file
description; so the same one put twice has one id. The daemon is never the last to close one: a
lingering socket, or a large file without a name, would stop it in close(2).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from errno import EOPNOTSUPP
from typing import Protocol

from fdbrokerd.fd import OwnedFd
from fdbrokerd.opened import Opened


class Keeper(Protocol):
    """Who keeps copies that outlive the daemon."""

    durable: bool
    """Whether it does, or the store lives as long as the daemon."""
    room: int
    """For how many descriptors."""

    def keep(self, name: str, descriptor: int, then: Callable[[OSError | None], None]) -> None:
        """Keep a copy of a borrowed descriptor; call `then` when it is kept, now or later."""
        ...

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        ...


Dismiss = Callable[[list[OwnedFd]], None]
"""Has descriptors closed elsewhere, by somebody who may wait for it."""


def name_of(number: int) -> str:
    """Return what a descriptor is called at the service manager.

    Short, since all the names come back in one environment string (execve(2): at most 128 KiB).
    """
    return f"i{number}"


class _Entry:
    """A descriptor, how many use it, and whether a copy is kept elsewhere."""

    __slots__ = ("bucket", "descriptor", "kept", "users")

    def __init__(self, descriptor: OwnedFd, bucket: Hashable) -> None:
        self.descriptor = descriptor
        self.bucket = bucket
        self.users = 0
        self.kept = False


class Lent(Opened):
    """Held descriptors for the length of an answer: `close` gives them back, and closes none.

    `again` lends them for one answer more, also while another one is on its way.
    """

    __slots__ = ("_answers", "_held", "_ids")

    def __init__(
        self, held: "Held", ids: Mapping[str, int], properties: Mapping[str, str] | None
    ) -> None:
        super().__init__({name: held.borrow(ids[name]) for name in ids}, properties)
        self._held = held
        self._ids = tuple(ids.values())
        self._answers = 0
        self.again()

    def again(self) -> None:
        """Lend them once more."""
        self._answers += 1
        for identity in self._ids:
            self._held.use(identity)

    def close(self) -> None:
        """Give them back for one answer; once too often does nothing."""
        if self._answers:
            self._answers -= 1
            for identity in self._ids:
                self._held.release(identity)


class Held:
    """All held descriptors by id. Who uses one says so with `use`, and `release` afterwards."""

    def __init__(
        self,
        keeper: Keeper,
        dismiss: Dismiss,
        same_file: Callable[[int, int], bool | None],
        bucket_of: Callable[[int], Hashable],
        forgotten: Callable[[int], None],
        order: Callable[[int, int], int | None] = lambda *_: None,
    ) -> None:
        """`forgotten` is called with the number of a descriptor before it is closed here.

        `order` tells which of two of one bucket comes first: below, at or above 0, None where
        nobody knows; then all of the bucket are compared.
        """
        self._keeper = keeper
        self._dismiss = dismiss
        self._same_file = same_file
        self._bucket_of = bucket_of
        self._forgotten = forgotten
        self._order = order
        self._ordered = True
        self._entries: dict[int, _Entry] = {}
        self._buckets: dict[Hashable, list[int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, identity: int) -> bool:
        return identity in self._entries

    def number(self, identity: int) -> int:
        """Return the borrowed number of a descriptor."""
        return self._entries[identity].descriptor.fileno()

    def enter(self, descriptor: OwnedFd, new_id: Callable[[], int]) -> int:
        """Hold a descriptor, owned from here on and used by the caller; return its id.

        One of the same open file description that is held already is used once more instead.
        Raises OSError(EOPNOTSUPP), and then owns nothing, where this kernel does not tell two of
        them apart, and a copy is to be kept elsewhere: it would be kept, or dropped, without a
        word.
        """
        number = descriptor.fileno()
        bucket = self._bucket_of(number)
        siblings = self._buckets.get(bucket, [])
        at = self._place(siblings, number)
        for identity in siblings if at is None else siblings[at : at + 1]:
            same = self._same_file(self.number(identity), number)
            if same is None and self._keeper.durable:
                raise OSError(EOPNOTSUPP, "two descriptors of one file cannot be told apart")
            if same:
                self.use(identity)
                descriptor.close()  # ours of two: not the last
                return identity
        identity = new_id()
        self._hold(identity, _Entry(descriptor, bucket), at)
        return identity

    def _place(self, siblings: Sequence[int], descriptor: int) -> int | None:
        """Return where in its bucket a descriptor is, or belongs; None in one without an order.

        All eventfds are one bucket: of thousands each would be asked, and the loop stand still.
        """
        low, high = 0, len(siblings)
        while self._ordered and low < high:
            middle = (low + high) // 2
            order = self._order(self.number(siblings[middle]), descriptor)
            if order is None:
                self._ordered = False  # for good: what is added from now on is in no order
            elif order < 0:
                low = middle + 1
            else:
                high = middle
        return low if self._ordered else None

    def refuse(self, descriptor: OwnedFd) -> None:
        """Have a descriptor closed that is not held after all."""
        self._dismiss([descriptor])

    def add(self, identity: int, descriptor: OwnedFd, *, kept: bool = False) -> None:
        """Hold one that came back, owned from here on, used by the caller. `kept`: elsewhere."""
        entry = _Entry(descriptor, self._bucket_of(descriptor.fileno()))
        entry.kept = kept
        siblings = self._buckets.get(entry.bucket, [])
        self._hold(identity, entry, self._place(siblings, descriptor.fileno()))

    def _hold(self, identity: int, entry: _Entry, at: int | None) -> None:
        entry.users = 1
        self._entries[identity] = entry
        siblings = self._buckets.setdefault(entry.bucket, [])
        siblings.insert(len(siblings) if at is None else at, identity)

    def keep(self, identity: int, then: Callable[[OSError | None], None]) -> None:
        """Have a copy kept elsewhere."""
        entry = self._entries[identity]

        def done(error: OSError | None) -> None:
            entry.kept = error is None and self._keeper.durable
            then(error)

        self._keeper.keep(name_of(identity), entry.descriptor.fileno(), done)

    def is_kept(self, identity: int) -> bool:
        """Tell whether a copy is kept elsewhere by now."""
        return self._entries[identity].kept

    def use(self, identity: int) -> None:
        """Count one user more."""
        self._entries[identity].users += 1

    def borrow(self, identity: int) -> OwnedFd:
        """Return a descriptor, which stays owned here."""
        return self._entries[identity].descriptor

    def lend(self, ids: Mapping[str, int], properties: Mapping[str, str] | None) -> Lent:
        """Return descriptors by name, used until they are given back."""
        return Lent(self, ids, properties)

    def release(self, identity: int) -> None:
        """Count one user less; without any it is held no more."""
        entry = self._entries[identity]
        entry.users -= 1
        if not entry.users:
            self._let_go(identity, entry)

    def _let_go(self, identity: int, entry: _Entry) -> None:
        """Close ours while another copy is there, then have that closed, too."""
        del self._entries[identity]
        siblings = self._buckets[entry.bucket]
        siblings.remove(identity)
        if not siblings:
            del self._buckets[entry.bucket]
        self._forgotten(entry.descriptor.fileno())
        if entry.kept:
            entry.descriptor.close()
            self._keeper.drop(name_of(identity))
        else:
            self._dismiss([entry.descriptor])

    def close(self) -> None:
        """Close ours; what is kept elsewhere stays, and the rest is closed by others."""
        for entry in self._entries.values():
            self._forgotten(entry.descriptor.fileno())
            if entry.kept:
                entry.descriptor.close()
            else:
                self._dismiss([entry.descriptor])
        self._entries.clear()
        self._buckets.clear()
