# SPDX-License-Identifier: MIT
"""One call in, one answer out. The only place where a question becomes descriptors.

A request is one straight line, down `_serve` and `_get`: what is asked for, do the rules allow it,
is it there, is there room, open it, hand it over. Nothing here knows a socket. Every way out makes
exactly one record.
"""

from functools import partial

from fdbrokerd.administration import ADMINISTRATIVE, Host, administer, subject_of
from fdbrokerd.asked import InForce, allowed, asked, needs_user, request_of
from fdbrokerd.asking import Asking, Decided, Order
from fdbrokerd.audit import AuditLog
from fdbrokerd.calls import (
    Commit,
    Explain,
    Put,
    Remove,
    Watch,
)
from fdbrokerd.children import Children, open_somewhere
from fdbrokerd.deposits import Deposits
from fdbrokerd.errors import CallError, ItemExists, OpenFailed
from fdbrokerd.exchange import Caller, Cancel, Reply
from fdbrokerd.grants import Grant, Grants, encoded
from fdbrokerd.items import Items, NotThere
from fdbrokerd.kinds import kind_of
from fdbrokerd.leases import Admission, Leases
from fdbrokerd.messages import Call
from fdbrokerd.model.resource import Request, Resource
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.naming import names_user
from fdbrokerd.opened import Opened
from fdbrokerd.opener.child import Job
from fdbrokerd.questions import View, reply_to
from fdbrokerd.recorder import Recorder
from fdbrokerd.store.held import Lent
from fdbrokerd.store.item import Item
from fdbrokerd.store.store import Store
from fdbrokerd.transactions import Transactions
from fdbrokerd.users import Users
from fdbrokerd.waits import may_last, wait
from fdbrokerd.watches import watch


class Broker:
    """The rules in force, what is out under them, what is held, and the answers."""

    def __init__(
        self,
        in_force: InForce,
        leases: Leases,
        log: AuditLog,
        children: Children,
        host: Host,
        store: Store,
    ) -> None:
        self.in_force = in_force
        """Replaced whole; a request keeps what it began with, until it waits."""
        self.recorder = Recorder(log, host.write_soon)
        self.grants = Grants(leases, self.recorder)
        self._leases = leases
        self._children = children
        self._host = host
        self._store = store
        self._users = Users(children.look_up, host.clock)
        transactions = Transactions()
        self._items = Items(store, transactions)
        self._deposits = Deposits(
            store, self._items, transactions, children, host.own, self.recorder
        )

    def answer(self, caller: Caller, call: Call, reply: Reply) -> Cancel | None:
        """Answer a call by calling `reply`, now or later: once, or as often as it wants to know.

        Returns what ends a call that may be long in coming.
        """
        asking = Asking(caller, call, self.recorder.begin(caller.peer, call.method), reply)
        self._serve(asking)
        return partial(self._cancel, asking) if may_last(asking) else None

    def _cancel(self, asking: Asking) -> None:
        """Wait no more: the peer is gone. What a child is at work on comes to its end by itself."""
        asking.gone = True
        if asking.waits:
            asking.stop()
            if not (asking.recorded or asking.busy):
                self.recorder.write(asking.record, "the peer is gone")

    def ended(self, caller: Caller) -> None:
        """Undo what a connection that has ended did not commit."""
        self._deposits.abandon(caller)

    def _serve(self, asking: Asking) -> None:
        """Answer, or have it answered later. Called again when what was waited for is there."""
        in_force = self.in_force
        asking.busy = True
        try:
            try:
                self._route(asking, in_force)
            except NotThere as absent:
                asking.busy = False
                wait(asking, absent.error, self._store.waiting, self._host.later, self._again)
        except CallError as error:
            self.recorder.refuse(asking, error, in_force.ruleset)

    def _again(self, asking: Asking) -> bool:
        """Look at a waiting request once more, by the rules of now; tell whether it is answered."""
        if not asking.busy:
            self._serve(asking)
        return asking.done

    def _route(self, asking: Asking, in_force: InForce) -> None:
        call, caller, record = asking.call, asking.caller, asking.record
        decided = call.decided
        if isinstance(decided, Decided) and decided.in_force is in_force:
            decided.note(record)
            self._get(asking, decided)
            return
        if call.problem is not None:
            raise call.problem
        parameters = call.parameters
        assert parameters is not None, "a call without a problem has parameters"
        if isinstance(parameters, Commit):
            self._deposits.commit(asking, parameters.transaction, in_force)
            return
        denials = self.recorder.denials
        subject = subject_of(parameters, caller.peer, in_force, denials)
        peer = caller.peer if subject is None else subject.peer
        about = None if subject is None else subject.request.resource
        if needs_user(in_force.ruleset, parameters, peer, about) and not self._users.knows(
            peer.uid
        ):
            self._users.find(peer.uid, partial(self._user_found, asking))
            return
        user = self._users.name(peer.uid)
        written = request_of(parameters)
        if isinstance(parameters, ADMINISTRATIVE):
            self.recorder.answer(
                asking, administer(parameters, in_force, self._host, subject, user)
            )
        elif written is None or isinstance(parameters, Explain):
            view = View(in_force, self._leases, self._store)
            self.recorder.answer(asking, reply_to(parameters, caller, user, view, record))
        else:
            resource, request = asked(in_force.ruleset, caller, written, user, record)
            self._act(asking, resource, request, in_force, user)

    def _act(
        self,
        asking: Asking,
        resource: Resource,
        request: Request,
        in_force: InForce,
        user: str | None,
    ) -> None:
        """Do what is asked for, if the rules allow it. Raises CallError, NotThere."""
        match asking.call.parameters:
            case Put() as put:
                self._deposits.begin(asking, put, resource, in_force, user)
            case Watch():
                watch(asking, request, user, self._store, lambda: self.in_force, self.recorder)
            case Remove():
                self._deposits.remove(asking, request, in_force)
            case _:
                self._get(asking, self._decide(asking, resource, request, in_force))

    def _decide(
        self, asking: Asking, resource: Resource, request: Request, in_force: InForce
    ) -> Decided:
        """Ask the rules, and keep what they say with the call. Raises Denied."""
        verdict = allowed(in_force.ruleset, asking.caller.peer, request, asking.record)
        is_item = "/" in request.resource
        decided = Decided(
            in_force,
            resource,
            request,
            verdict,
            counted=verdict.counted,
            rules=verdict.rule_ids,
            wanted=kind_of(resource.kind).wanted(request) if is_item else None,
        )
        if not names_user(resource):  # a user's name may be another one by the next call
            asking.call.decided = decided
        return decided

    def _user_found(self, asking: Asking, error: CallError | None) -> None:
        if error is None:
            self._serve(asking)
        else:
            self.recorder.refuse(asking, error, self.in_force.ruleset)

    def _get(self, asking: Asking, decided: Decided) -> None:
        """Find, count, open, and hand over what is allowed."""
        if decided.lent is not None and self._items.is_free(decided.item):
            decided.lent.again()
            name = decided.request.resource
            grant = Grant(self.grants, asking, name, decided.lent, decided.encoded)
            self.grants.hand_over(grant, "", decided.in_force.ruleset)
            return
        request = decided.request
        item = None
        if "/" in request.resource:
            item = self._items.find(decided.resource, request, decided.wanted)
            if item is None:
                self._items.check_room(decided.resource, request, asking.caller.peer)
        admission = None
        if decided.counted:
            admission = self._admit(asking.caller, decided.verdict, request)
        order = Order(asking, decided, admission)
        if item is not None:
            self._hand_over(order, item)
            return
        resource = decided.resource
        job = Job(resource.kind, resource.spec, request, asking.caller.peer)
        open_somewhere(job, self._children, partial(self._opened, order))

    def _admit(self, caller: Caller, verdict: Verdict, request: Request) -> Admission | None:
        """Count what is about to be handed over. Raises LimitReached."""
        try:
            return self._leases.admit(
                verdict, caller.peer, request.resource, request.count, caller.process_of
            )
        except OSError as error:  # the peer's process is gone
            raise OpenFailed.of(request.resource, error.errno or 0) from error

    def _opened(self, order: Order, outcome: Opened | CallError) -> None:
        """Hand over what was opened, or hold it first where it has a name."""
        request = order.decided.request
        if isinstance(outcome, CallError):
            self._fail(order, outcome)
        elif "/" in request.resource:
            made = partial(self._made, order)
            self._items.make(
                order.decided.resource, request, order.asking.caller.peer, outcome, made
            )
        else:
            lease = self.grants.lease(order.admission)
            data = self._encoded(order.decided, outcome, lease)
            grant = Grant(self.grants, order.asking, request.resource, outcome, data)
            self.grants.hand_over(grant, lease, order.decided.in_force.ruleset)

    def _encoded(self, decided: Decided, opened: Opened, lease: str) -> bytes:
        """Return the answer, which is kept where it is the same for each grant."""
        name, kind = decided.request.resource, decided.resource.kind
        if lease or opened.properties:
            return encoded(name, kind, opened, lease)
        if decided.names != opened.names:
            decided.names, decided.encoded = opened.names, encoded(name, kind, opened)
        return decided.encoded

    def _made(self, order: Order, outcome: Item | CallError) -> None:
        if isinstance(outcome, Item):
            self._hand_over(order, outcome)
            return
        if not isinstance(outcome, ItemExists):
            self._fail(order, outcome)
            return
        if order.admission is not None:
            self._leases.cancel(order.admission)
        self._serve(order.asking)  # somebody else was faster: it is there now

    def _hand_over(self, order: Order, item: Item) -> None:
        """Hand over an item, which nobody has reserved."""
        asking, decided = order.asking, order.decided
        resource, name = decided.resource, item.name
        try:
            opened = self._items.lend(resource, item, decided.wanted, asking.caller.peer)
        except CallError as error:
            self._fail(order, error)
            return
        reserved = self._items.reserve(asking.caller, resource, decided.request)
        lease = self.grants.lease(order.admission)
        data = encoded(name, resource.kind, opened, lease, reserved.transaction)
        if isinstance(opened, Lent) and not (lease or reserved.ticket):
            decided.item, decided.encoded, decided.lent = item, data, opened
        then = partial(self._items.delivered, name, opened.names, reserved)
        grant = Grant(self.grants, asking, name, opened, data, then if reserved.ticket else None)
        self.grants.hand_over(grant, lease, decided.in_force.ruleset)

    def _fail(self, order: Order, error: CallError) -> None:
        if order.admission is not None:
            self._leases.cancel(order.admission)
        self.recorder.refuse(order.asking, error, order.decided.in_force.ruleset)
