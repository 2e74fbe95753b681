# SPDX-License-Identifier: MIT
"""One request on its way: who asks what, its record, where the answer goes, what was decided."""

from collections.abc import Callable
from dataclasses import dataclass

from fdbrokerd.asked import InForce
from fdbrokerd.audit import Record
from fdbrokerd.exchange import Answer, Caller, Reply
from fdbrokerd.leases import Admission
from fdbrokerd.messages import Call
from fdbrokerd.model.resource import Request, Resource
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.store.item import Item


class Asking:
    """A request until it is answered. It may wait, and be looked at several times."""

    __slots__ = (
        "_leave",
        "busy",
        "call",
        "caller",
        "done",
        "gone",
        "late",
        "record",
        "recorded",
        "tell",
    )

    def __init__(self, caller: Caller, call: Call, record: Record, reply: Reply) -> None:
        self.caller = caller
        self.call = call
        self.record = record
        self.busy = False
        """It is being looked at, or a child is at work for it; whoever does that goes on with it,
        and nobody else: it would be answered twice."""
        self.done = False
        self.late = False
        """What it waits for has not come in its time."""
        self.gone = False
        """Nobody is there any more to be answered."""
        self.recorded = False
        """Its record is written: it will be answered for as long as its peer listens."""
        self.tell = reply
        self._leave: list[Callable[[], object]] = []

    @property
    def waits(self) -> bool:
        """Tell whether it waits for what may never come."""
        return bool(self._leave)

    def wait(self, *leave: Callable[[], object]) -> None:
        """Wait; each of `leave` is called when that is over."""
        self._leave += leave

    def finish(self, answer: Answer) -> None:
        """Send the answer; its record is written when it has left."""
        self.done = True
        self.stop()
        self.tell(answer)

    def stop(self) -> None:
        """Wait no more."""
        leaving, self._leave = self._leave, []
        for leave in leaving:
            leave()


@dataclass(slots=True)
class Decided:
    """What a call asks for and what the rules in force say of it: allowed.

    The same for every call of the same bytes by the same peer under the same rules, so it is kept
    with the call. `wanted` are the names of the descriptors of an item, None for all; `item` is the
    one that was handed over last, and `encoded` the answer that did.
    """

    in_force: InForce
    resource: Resource
    request: Request
    verdict: Verdict
    wanted: frozenset[str] | None
    item: Item | None = None
    encoded: bytes | None = None

    def note(self, record: Record) -> None:
        """Write into a record what deciding would have."""
        record.resource = self.request.resource
        record.arguments = self.request.arguments
        record.verdict = "allow"
        record.rules = self.verdict.rule_ids


@dataclass(slots=True)
class Order:
    """A request that is decided and counted, while what it is about is opened."""

    asking: Asking
    decided: Decided
    admission: Admission | None
