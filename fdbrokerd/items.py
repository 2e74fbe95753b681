# SPDX-License-Identifier: MIT
"""Items as a request to get or take one sees them: there, to be made, reserved, handed over.

The rules have been asked before anything here is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import structs

from fdbrokerd.errors import Busy, CallError, InvalidParameter, NoSuchItem, OpenFailed
from fdbrokerd.exchange import Caller
from fdbrokerd.kinds import kind_of
from fdbrokerd.kinds.reading import read_only
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, Resource
from fdbrokerd.opened import Opened
from fdbrokerd.store.alarm import now_ns
from fdbrokerd.store.arrivals import Given
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.store import Store
from fdbrokerd.transactions import Taking, Transactions, new_name

SECOND_NS = 1_000_000_000

Made = Callable[[Item | CallError], None]


class Reserved(NamedTuple):
    """How an item is kept for one answer: by the transaction of a Take, else ""; 0: not at all."""

    transaction: str
    ticket: int


NOT_RESERVED = Reserved("", 0)


class NotThere(Exception):
    """An item that is not there now, and may be later; `error` is for who does not wait."""

    def __init__(self, error: CallError) -> None:
        super().__init__()
        self.error = error


def holding_of(resource: Resource) -> Holding:
    """Return how a resource holds items, which has been looked at: `naming` refuses others."""
    assert resource.holding is not None
    return resource.holding


class Items:
    """The store, as those see it who get from it."""

    def __init__(self, store: Store, transactions: Transactions) -> None:
        self._store = store
        self._transactions = transactions

    def find(
        self, resource: Resource, request: Request, wanted: frozenset[str] | None
    ) -> Item | None:
        """Return an item that can be handed over, or None for one that is to be made.

        Raises NotThere.
        """
        name = request.resource
        item = self._store.find(name)
        holding = holding_of(resource)
        if item is None and not holding.makes:
            raise NotThere(NoSuchItem(item=name))
        if self._store.is_reserved(name):
            raise NotThere(Busy(resource=name))
        if item is None:
            return None
        if wanted is None and holding.once:
            wanted = frozenset(kind_of(resource.kind).descriptors)  # all, not what is left of it
        if wanted is not None and not wanted <= {part.name for part in item.parts}:
            raise NotThere(Busy(resource=name))  # it was handed over; others wait for the next one
        return item

    def check_room(self, resource: Resource, request: Request, peer: Peer) -> None:
        """Raise LimitReached where what is to be made could not be held."""
        parts = tuple(Part(name, 0, "", "") for name in kind_of(resource.kind).descriptors)
        item = structs.replace(_made(resource, request, peer), parts=parts)
        self._store.check(item, holding_of(resource), replace=False)

    def make(
        self, resource: Resource, request: Request, peer: Peer, opened: Opened, then: Made
    ) -> None:
        """Hold what was opened for a request as the item that it names; owned from here on."""
        holding = holding_of(resource)
        (sort,) = holding.accept  # a kind that makes makes one sort
        given = [
            Given(name, descriptor, sort, f"{resource.kind} made by the broker")
            for name, descriptor in zip(opened.names, opened.descriptors, strict=True)
        ]
        self._store.put(_made(resource, request, peer), given, holding, then, replace=False)

    def lend(
        self, resource: Resource, item: Item, wanted: frozenset[str] | None, peer: Peer
    ) -> Opened:
        """Return the descriptors of an item for one answer. Raises OpenFailed."""
        opened = self._store.lend(item, wanted)
        if not holding_of(resource).read_only:
            return opened
        try:
            return read_only(opened, peer)
        except OSError as error:
            raise OpenFailed.of(item.name, error.errno or 0) from error
        finally:
            opened.close()

    def is_free(self, item: Item | None) -> bool:
        """Tell whether an item that was handed over before can be so again."""
        return item is not None and self._store.is_free(item)

    def reserve(self, caller: Caller, resource: Resource, request: Request) -> Reserved:
        """Keep an item for one answer where nobody else may have it."""
        name = request.resource
        if request.verb == "take":
            transaction, ticket = new_name(), self._store.reserve(name)
            self._transactions.begin(transaction, Taking(caller, name, ticket))
            return Reserved(transaction, ticket)
        if holding_of(resource).once:
            return Reserved("", self._store.reserve(name))
        return NOT_RESERVED

    def delivered(self, name: str, parts: Sequence[str], reserved: Reserved, failure: str) -> None:
        """Go on from `reserve`: a Take stays reserved, what is had once is held no more.

        What did not arrive is given back. Who may remove it can have ended the reservation.
        """
        transaction, ticket = reserved.transaction, reserved.ticket
        if failure:
            self._transactions.end(transaction)
            self._store.give_back(name, ticket)
        elif not transaction and self._store.is_reserved_by(name, ticket):
            try:
                self._store.strip(name, parts)
            except OpenFailed:  # then somebody else gets it as well
                self._store.give_back(name, ticket)

    def commit_take(self, transaction: str, taking: Taking) -> None:
        """Remove what was taken, if nobody has. Raises OpenFailed; then it is still reserved."""
        if self._store.is_reserved_by(taking.name, taking.ticket):
            uid = taking.caller.peer.uid
            self._store.remove(taking.name, transaction=transaction, uid=uid)
        self._transactions.end(transaction)

    def remove(self, name: str) -> None:
        """Remove an item, also one that is reserved. Raises NoSuchItem, OpenFailed."""
        if name not in self._store.table.state.items:
            raise NoSuchItem(item=name)
        self._store.remove(name)

    def finished(self, transaction: str, uid: int) -> str:
        """Return the item of a transaction that this user has committed of late.

        Raises InvalidParameter for any other.
        """
        finished = self._store.table.state.finished(transaction)
        if finished is None or finished[0] != uid:
            raise InvalidParameter(parameter="transaction")
        return finished[1]


def _made(resource: Resource, request: Request, peer: Peer) -> Item:
    """Return an item that nobody put, without its parts."""
    now = now_ns()
    seconds = holding_of(resource).ttl.default_seconds
    expires = None if seconds is None else now + seconds * SECOND_NS
    return Item(request.resource, peer.uid, now, expires, {}, (), "")
