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


class Asking:
    """A request until it is answered. It may wait, and be looked at several times."""

    __slots__ = ("_leave", "call", "caller", "done", "gone", "late", "record", "recorded", "tell")

    def __init__(self, caller: Caller, call: Call, record: Record, reply: Reply) -> None:
        self.caller = caller
        self.call = call
        self.record = record
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


@dataclass(frozen=True, slots=True)
class Order:
    """A request that is allowed and counted, while what it is about is opened."""

    asking: Asking
    resource: Resource
    request: Request
    in_force: InForce
    wanted: frozenset[str] | None
    admission: Admission | None
