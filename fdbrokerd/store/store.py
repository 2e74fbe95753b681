# SPDX-License-Identifier: MIT
"""The items: put, found, lent, reserved, removed, expired.

Nothing is lost because each change has one moment. A put: every descriptor is kept elsewhere, then
one record is written, then it is answered. A removal: the record, then our copy is closed, then the
other. Whatever is killed in between is on one side of the record or the other.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import structs

from fdbrokerd.errors import Busy, CallError, ItemExists, LimitReached, OpenFailed
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.resource import resource_of
from fdbrokerd.store.alarm import Alarm, now_ns
from fdbrokerd.store.arrivals import Arrivals, Given
from fdbrokerd.store.expiry import Expiry
from fdbrokerd.store.hangups import TELL_TYPES, Hangups
from fdbrokerd.store.held import Held, Lent
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.records import Gone, Put
from fdbrokerd.store.reservations import Reservations
from fdbrokerd.store.table import Table
from fdbrokerd.store.usage import Usage
from fdbrokerd.store.waiting import Waiting
from fdbrokerd.store.watching import Event, Watching

TABLES = 2
"""The descriptors that the table itself takes at the service manager."""

Then = Callable[[Item | CallError], None]

Over = Callable[[Item], None]
"""Raises a CallError where an item may not take the place of this one."""


class Store:
    """All items. Owns the table, the held descriptors, the alarm and the hang-up watch."""

    def __init__(
        self,
        table: Table,
        held: Held,
        hangups: Hangups,
        alarm: Alarm,
        holding_of: Callable[[str], Holding | None],
        room: int,
    ) -> None:
        """`holding_of` returns how the rules in force have a resource hold items."""
        self.waiting = Waiting()
        self.watching = Watching()
        self.table = table
        self._held = held
        self._hangups = hangups
        hangups.tell = self._hung_up
        self._holding_of = holding_of
        self.room = room
        self._usage = Usage()
        self._expiry = Expiry(alarm, table.state.items, self._expire)
        self._reservations = Reservations()
        self._arrivals = Arrivals(held, table.state.new_id)
        for item in table.state.items.values():
            self._came(item)

    # What there is.

    def __len__(self) -> int:
        return len(self.table.state.items)

    @property
    def descriptors(self) -> int:
        """Return how many descriptors are held."""
        return len(self._held)

    def find(self, name: str) -> Item | None:
        """Return an item whose time is not over, or None."""
        item = self.table.state.items.get(name)
        if item is None or (item.expires is not None and item.expires <= now_ns()):
            return None
        return item

    def items(self) -> Iterator[Item]:
        """Yield them all, in order of their names."""
        for name in sorted(self.table.state.items):
            if (item := self.find(name)) is not None:
                yield item

    def is_reserved(self, name: str) -> bool:
        """Tell whether a Take of the item waits for its Commit."""
        return name in self._reservations

    def lend(self, item: Item, wanted: frozenset[str] | None = None) -> Lent:
        """Return the descriptors of an item, all or those that are wanted, for one answer."""
        ids = {one.name: one.id for one in item.parts if wanted is None or one.name in wanted}
        return self._held.lend(ids, item.metadata)

    def is_free(self, item: Item) -> bool:
        """Tell whether an item is held still, the same as it was, and nobody has reserved it."""
        return self.find(item.name) is item and item.name not in self._reservations

    # Coming.

    def check(self, item: Item, holding: Holding, *, replace: bool) -> None:
        """Raise ItemExists, Busy or LimitReached where an item cannot be put now."""
        self._check_place(item, holding, replace=replace)
        if not self._has_room(len(item.parts)):
            raise LimitReached(limit="store")

    def _has_room(self, count: int) -> bool:
        """Tell whether so many more can be held: what is too much is dropped without a word."""
        return len(self._held) + count + TABLES <= self.room

    def _check_place(self, item: Item, holding: Holding, *, replace: bool) -> None:
        there = self.find(item.name)
        if there is not None and not replace:
            raise ItemExists(item=item.name)
        if item.name in self._reservations:
            raise Busy(resource=item.name)
        self._usage.check(holding.quota, item, there)

    def put(
        self,
        item: Item,
        given: Sequence[Given],
        holding: Holding,
        then: Then,
        *,
        replace: bool,
        over: Over = lambda _: None,
    ) -> None:
        """Hold descriptors as an item, all of them or none; `then` is told once, now or later.

        What is given is owned from here on; the item gets its parts here. `over` is asked about the
        item that is replaced, if there is one by then.
        """
        if not self._has_room(len(given)):  # others came since `check`
            self._arrivals.refuse(given)
            then(LimitReached(limit="store"))
            return

        def kept(parts: tuple[Part, ...], failure: OSError | None) -> None:
            whole = structs.replace(item, parts=parts)
            try:
                if failure is not None:
                    raise failure
                self._check_place(whole, holding, replace=replace)
                if (there := self.find(item.name)) is not None:
                    over(there)
                before = self._write(whole)
            except (CallError, OSError) as error:
                self._release(whole)
                then(_as_reply(error, item.name))
            else:
                self.watching.tell(Event.ADDED if before is None else Event.REPLACED, item.name)
                then(whole)  # before those who wait: it was here first
                self.wake(item.name)

        self._arrivals.keep(given, kept)

    def _write(self, item: Item) -> Item | None:
        """Write the record, which is the moment it counts; return the item that had the name."""
        before = self.table.state.items.get(item.name)
        self.table.append(Put(item))
        if before is not None:
            self._usage.remove(before)
            self._release(before)
        self._came(item)
        return before

    def _came(self, item: Item) -> None:
        self._usage.add(item)
        self._expiry.add(item)
        for part in item.parts:
            if part.type in TELL_TYPES:
                self._hangups.add(part.id, self._held.number(part.id))

    def _release(self, item: Item) -> None:
        for part in item.parts:
            self._held.release(part.id)

    # Going.

    def reserve(self, name: str) -> int:
        """Keep an item for one answer, or one Take; return what this reservation is known by."""
        return self._reservations.begin(name)

    def is_reserved_by(self, name: str, ticket: int) -> bool:
        """Tell whether a reservation lasts: who may remove the item can end it."""
        return self._reservations.lasts(name, ticket)

    def give_back(self, name: str, ticket: int) -> None:
        """End a reservation; the item is there for others, unless its end came meanwhile."""
        if self._reservations.lasts(name, ticket):
            self._free(name)

    def _free(self, name: str) -> None:
        after = self._reservations.end(name)
        if after is Event.HANGUP:
            self._drop(name)
        elif after is Event.EXPIRED:
            self._expiry.add(self.table.state.items[name])
        self.wake(name)

    def remove(
        self, name: str, event: Event = Event.REMOVED, transaction: str = "", uid: int = -1
    ) -> None:
        """Hold an item no longer; with the transaction of the Take that ended so.

        Raises OpenFailed where the record cannot be written: then it stays.
        """
        item = self.table.state.items[name]
        self._append(Gone(name, transaction, uid))
        self._reservations.end(name)
        self._usage.remove(item)
        self._release(item)
        self._tell(event, name)

    def strip(self, name: str, parts: Sequence[str]) -> None:
        """Hold some descriptors of an item no longer, and end its reservation.

        The item goes with the last of them. Raises OpenFailed where the record cannot be written.
        """
        item = self.table.state.items[name]
        rest = tuple(part for part in item.parts if part.name not in parts)
        if not rest:
            self.remove(name)
            return
        less = structs.replace(item, parts=rest)
        self._append(Put(less))
        self._usage.remove(item)
        self._usage.add(less)
        for part in item.parts:
            if part.name in parts:
                self._held.release(part.id)
        self._free(name)

    def _append(self, record: Gone | Put) -> None:
        try:
            self.table.append(record)
        except OSError as error:
            name = record.name if isinstance(record, Gone) else record.item.name
            raise OpenFailed.of(name, error.errno or 0) from error

    def _expire(self, name: str) -> bool:
        """Remove what has had its time; what is reserved goes when it is given back."""
        return self._end(name, Event.EXPIRED, Event.EXPIRED)

    def _hung_up(self, identity: int) -> None:
        """Tell of items whose other end has gone, and drop those whose store wants it so."""
        for name in self._usage.names(identity):
            self.watching.tell(Event.HANGUP, name)
            holding = self._holding_of(resource_of(name))
            if holding is not None and holding.drop_on_hangup:
                self._drop(name)

    def _drop(self, name: str) -> None:
        """Remove what hung up; what is reserved goes when it is given back."""
        self._end(name, Event.REMOVED, Event.HANGUP)

    def _end(self, name: str, event: Event, reason: Event) -> bool:
        """Remove an item now or, for that reason, later; False where it stays."""
        if name in self._reservations:
            self._reservations.put_off(name, reason)
            return True
        try:
            self.remove(name, event)
        except OpenFailed:
            return False
        return True

    # Waiting.

    def _tell(self, event: Event, name: str) -> None:
        self.watching.tell(event, name)
        self.wake(name)

    def wake(self, name: str) -> None:
        """Let those who wait for an item ask again, as long as nobody has reserved it."""
        self.waiting.wake(name, lambda: name not in self._reservations)

    def close(self) -> None:
        """Close everything here; what is kept elsewhere stays."""
        self._expiry.close()
        self._held.close()
        self._hangups.close()
        self.table.close()


def _as_reply(error: CallError | OSError, name: str) -> CallError:
    return error if isinstance(error, CallError) else OpenFailed.of(name, error.errno or 0)
