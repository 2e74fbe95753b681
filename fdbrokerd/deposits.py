# SPDX-License-Identifier: MIT
"""Put and Commit: decided first, received in a child, held.

Put      a socket for the descriptors goes to the peer; nothing is looked at yet
Commit   the socket goes to a child, which receives, judges, and passes on what is safe to hold;
the store keeps it, and only then is it answered. Of a Take, the item is gone
"""

from collections.abc import Callable
from functools import partial

from msgspec import structs

from fdbrokerd.asked import InForce, allowed
from fdbrokerd.asking import Asking
from fdbrokerd.audit import Record
from fdbrokerd.audit.record import GRANTED
from fdbrokerd.calls import FOR_EVER_USEC, Put
from fdbrokerd.children import Children
from fdbrokerd.errors import CallError, Denied, InvalidArgument, LimitReached, OpenFailed
from fdbrokerd.exchange import Answer, Awaited, Caller
from fdbrokerd.items import SECOND_NS, Items, holding_of
from fdbrokerd.judge import Own
from fdbrokerd.messages import encode_reply
from fdbrokerd.model.holding import Ttl
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import NO_ARGUMENTS, Request, Resource, resource_of
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import objection
from fdbrokerd.opened import Opened
from fdbrokerd.opener.intake import Intake, Received
from fdbrokerd.policy import decide
from fdbrokerd.recorder import Recorder, without_descriptors
from fdbrokerd.store.alarm import now_ns
from fdbrokerd.store.arrivals import Given
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.store import Over, Store
from fdbrokerd.transactions import Putting, Taking, Transactions, deposit, new_name
from fdbrokerd.wire import MAX_DESCRIPTORS

Ended = Callable[[Item | CallError], None]


class Begun(Awaited):
    """The answer to a Put: the socket for the descriptors of this item."""

    __slots__ = ("_item",)

    def __init__(self, item: str, data: bytes, then: Callable[[str], None], opened: Opened) -> None:
        super().__init__(data, then, opened)
        self._item = item

    def instead(self, errno: int) -> Answer:
        """Return the answer for a peer that the kernel gives no descriptors to."""
        return without_descriptors(self._item, errno)


class Deposits:
    """The Puts that have begun, and what ends them and the Takes."""

    def __init__(
        self,
        store: Store,
        items: Items,
        transactions: Transactions,
        children: Children,
        own: Callable[[], Own],
        recorder: Recorder,
    ) -> None:
        """`own` says by what the broker's own sockets are known, which are never held."""
        self._own = own
        self._store = store
        self._items = items
        self._transactions = transactions
        self._children = children
        self._recorder = recorder

    def begin(
        self,
        asking: Asking,
        put: Put,
        resource: Resource,
        in_force: InForce,
        user: str | None,
    ) -> None:
        """Answer a Put with a transaction and the socket for its descriptors. Raises CallError.

        `user` is the peer's name, if it matters.
        """
        caller, record = asking.caller, asking.record
        allowed(in_force.ruleset, caller.peer, Request("put", put.item, NO_ARGUMENTS), record)
        self._transactions.check(caller)
        if len(put.names) > MAX_DESCRIPTORS:
            raise LimitReached(limit="count")
        transaction = new_name()
        item = _item(put, caller.peer, holding_of(resource).ttl, transaction)
        names, replace = tuple(put.names), bool(put.replace)
        try:
            ours, theirs = deposit()
        except OSError as error:  # our own limit on descriptors
            raise OpenFailed.of(put.item, error.errno or 0) from error
        putting = Putting(caller, resource, item, names, replace, ours, user)
        opened = Opened({"deposit": theirs})
        try:
            self._check(putting, in_force.ruleset, record)
        except CallError:
            ours.close()
            opened.close()
            raise
        self._transactions.begin(transaction, putting)
        record.outcome = GRANTED

        def delivered(failure: str) -> None:
            # Of a connection that had ended before, nobody else would undo it.
            if failure and self._transactions.end(transaction):
                self._children.drain(ours, caller.peer.uid)
            self._recorder.write(record, failure)

        data = encode_reply({"transaction": transaction, "fileDescriptor": 0})
        asking.finish(Begun(put.item, data, delivered, opened))

    def _check(self, putting: Putting, ruleset: Ruleset, record: Record) -> None:
        """Raise what stands in the way now; the Commit looks again."""
        parts = tuple(Part(name, 0, "", "") for name in putting.names)
        item = structs.replace(putting.item, parts=parts)
        self._store.check(item, holding_of(putting.resource), replace=putting.replace)
        there = self._store.find(item.name)
        if there is not None:
            _check_owner(putting, ruleset, record, there)

    def commit(self, asking: Asking, name: str, in_force: InForce) -> None:
        """End a Put or a Take; or say again that it has ended. Raises CallError."""
        caller = asking.caller
        transaction = self._transactions.find(name, caller)
        if isinstance(transaction, Putting):
            self._receive(asking, name, transaction, in_force)
            return
        if isinstance(transaction, Taking):
            item = transaction.name
            asking.record.resource = item
            self._items.commit_take(name, transaction)
        else:
            item = self._items.finished(name, caller.peer.uid)
        self._done(asking, item)

    def _done(self, asking: Asking, item: str) -> None:
        asking.record.resource = item
        asking.record.outcome = GRANTED
        self._recorder.answer(asking, {"item": item})

    def _receive(self, asking: Asking, name: str, putting: Putting, in_force: InForce) -> None:
        """Have the descriptors received and judged. The rules of now count, not the Put's."""
        record = asking.record
        record.resource = putting.item.name
        request = Request("put", putting.item.name, NO_ARGUMENTS)
        allowed(in_force.ruleset, asking.caller.peer, request, record)
        resource = in_force.ruleset.resources[resource_of(putting.item.name)]
        peer = asking.caller.peer
        # Another kind by now, or with other names.
        if resource.holding is None or objection(resource, request, peer, putting.user):
            record.verdict = "deny"
            raise Denied(resource=putting.item.name, request=record.request)
        putting.resource, holding = resource, resource.holding
        self._check(putting, in_force.ruleset, record)
        job = Intake(
            names=putting.names,
            accept=holding.accept,
            seals=holding.seals,
            read_only=holding.read_only,
            uid=asking.caller.peer.uid,
            item=putting.item.name,
            own=self._own(),
            pid=asking.caller.peer.pid or None,
        )

        def ended(outcome: Item | CallError) -> None:
            self._transactions.end(name)
            if isinstance(outcome, CallError):
                self._recorder.refuse(asking, outcome, in_force.ruleset)
            else:
                self._done(asking, outcome.name)

        over = partial(_check_owner, putting, in_force.ruleset, record)
        received = partial(self._received, putting, over, ended)
        self._children.intake(job, putting.deposit, received)
        putting.committing = True

    def _received(
        self, putting: Putting, over: Over, ended: Ended, outcome: Received | CallError
    ) -> None:
        """Hold what was received."""
        if isinstance(outcome, CallError):
            ended(outcome)
            return
        given = [
            Given(name, descriptor, judged.type, judged.what)
            for name, descriptor, judged in outcome.parts
        ]
        holding = holding_of(putting.resource)
        self._store.put(putting.item, given, holding, ended, replace=putting.replace, over=over)

    def remove(self, asking: Asking, request: Request, in_force: InForce) -> None:
        """End an item's being held. Raises CallError."""
        allowed(in_force.ruleset, asking.caller.peer, request, asking.record)
        self._items.remove(request.resource)
        asking.record.outcome = GRANTED
        self._recorder.answer(asking, {})

    def abandon(self, caller: Caller) -> None:
        """Undo what a connection that has ended did not commit."""
        for transaction in self._transactions.abandoned(caller):
            if isinstance(transaction, Taking):
                self._store.give_back(transaction.name, transaction.ticket)
            else:
                self._children.drain(transaction.deposit, caller.peer.uid)


def _check_owner(putting: Putting, ruleset: Ruleset, record: Record, there: Item) -> None:
    """Raise Denied for who may not remove what somebody else has put, so not replace it either."""
    if there.owner == putting.item.owner:
        return
    removal = Request("remove", there.name, NO_ARGUMENTS)
    if not decide(ruleset, putting.caller.peer, removal).allowed:
        record.verdict = "deny"
        raise Denied(resource=there.name, request=record.request)


def _item(put: Put, peer: Peer, ttl: Ttl, transaction: str) -> Item:
    """Return the item that is to be, without its parts. Raises InvalidArgument."""
    now = now_ns()
    lasts = ttl.default_seconds if ttl.default_seconds is not None else ttl.max_seconds
    expires = None if lasts is None else now + lasts * SECOND_NS
    if put.ttl_usec is not None:
        if not put.ttl_usec:
            raise InvalidArgument(argument="ttlUSec", reason="is no time at all")
        if ttl.max_seconds is not None and put.ttl_usec > ttl.max_seconds * 1_000_000:
            reason = f"is more than {ttl.max_seconds} s, the most that anything is held here"
            raise InvalidArgument(argument="ttlUSec", reason=reason)
        expires = None if put.ttl_usec > FOR_EVER_USEC else now + put.ttl_usec * 1000
    return Item(put.item, peer.uid, now, expires, put.metadata or {}, (), transaction)
