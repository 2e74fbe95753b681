# SPDX-License-Identifier: MIT
"""One request on its way: who asks what, its record, where the answer goes, what was decided."""

from collections.abc import Callable

from msgspec import Struct

from fdbrokerd.asked import InForce
from fdbrokerd.audit import Record
from fdbrokerd.exchange import Answer, Caller, Reply
from fdbrokerd.leases import Admission
from fdbrokerd.messages import Call
from fdbrokerd.model.resource import Request, Resource
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.store.held import Lent
from fdbrokerd.store.item import Item


class Asking(Struct, eq=False):
    """A request until it is answered. It may wait, and be looked at several times."""

    caller: Caller
    call: Call
    record: Record
    tell: Reply
    busy: bool = False
    """It is being looked at, or a child is at work for it; whoever does that goes on with it, and
    nobody else: it would be answered twice."""
    done: bool = False
    late: bool = False
    """What it waits for has not come in its time."""
    gone: bool = False
    """Nobody is there any more to be answered."""
    recorded: bool = False
    """Its record is written: it will be answered for as long as its peer listens."""
    _leave: tuple[Callable[[], object], ...] = ()

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
        if self._leave:
            self.stop()
        self.tell(answer)

    def stop(self) -> None:
        """Wait no more."""
        leaving, self._leave = self._leave, ()
        for leave in leaving:
            leave()


class Decided(Struct, eq=False):
    """What a call asks for and what the rules in force say of it: allowed.

    The same for every call of the same bytes by the same peer under the same rules, so it is kept
    with the call. `counted`: only by rules that have a limit. `rules` are the names of those that
    allow it, `wanted` those of the descriptors of an item, None for all.

    What was handed over last, with nothing to be counted or undone, may be so again by the same
    answer, `encoded`: the `item`, which is `lent` then, or descriptors of these `names`.
    """

    in_force: InForce
    resource: Resource
    request: Request
    verdict: Verdict
    counted: bool
    rules: tuple[str, ...]
    wanted: frozenset[str] | None
    item: Item | None = None
    names: tuple[str, ...] = ()
    encoded: bytes = b""
    lent: Lent | None = None

    def note(self, record: Record) -> None:
        """Write into a record what deciding would have."""
        record.resource = self.request.resource
        record.arguments = self.request.arguments
        record.verdict = "allow"
        record.rules = self.rules


class Order(Struct, eq=False):
    """A request that is decided and counted, while what it is about is opened."""

    asking: Asking
    decided: Decided
    admission: Admission | None
