# SPDX-License-Identifier: MIT
"""The denials of the recent past, for administrators who are asked about one."""

from collections import OrderedDict, deque

from msgspec import Struct

from fdbrokerd.audit import Record
from fdbrokerd.exchange import Caller
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.ruleset import Ruleset

MAX_DENIALS = 1024
"""Who was denied asks within the day; a uid that is denied a thousand times meanwhile is in the
journal."""

MAX_DENIALS_PER_UID = 64
"""So that nobody can push out the denials of all others."""


class Denial(Struct, frozen=True):
    """A request that was denied, and the rules that did it, which may be gone by now.

    `served`: the listener that was asked serves the resource at all.
    """

    peer: Peer
    request: Request
    ruleset: Ruleset
    served: bool


class Denials:
    """The last of them, by the id that the peer was told."""

    def __init__(self) -> None:
        self._denials: OrderedDict[str, Denial] = OrderedDict()
        self._of_uid: dict[int, deque[str]] = {}

    def add(self, record: Record, caller: Caller, verb: str, ruleset: Ruleset) -> None:
        """Remember one by its record, and forget the oldest where there are too many."""
        name, resource = record.request, record.resource
        request = Request(verb, resource, record.arguments)
        self._denials[name] = Denial(
            caller.peer, request, ruleset, caller.sees(resource_of(resource))
        )
        names = self._of_uid.setdefault(caller.peer.uid, deque())
        names.append(name)
        if len(names) > MAX_DENIALS_PER_UID:
            self._denials.pop(names.popleft())
        elif len(self._denials) > MAX_DENIALS:
            _, oldest = self._denials.popitem(last=False)
            uid = oldest.peer.uid
            self._of_uid[uid].popleft()  # the oldest of all is the oldest of its uid
            if not self._of_uid[uid]:
                del self._of_uid[uid]

    def find(self, name: str) -> Denial | None:
        """Return the denial of a request, or None."""
        return self._denials.get(name)
