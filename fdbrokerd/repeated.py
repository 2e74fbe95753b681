# SPDX-License-Identifier: MIT
"""The calls that peers make again and again, each decoded once.

Whoever answers a call may keep with it what came of it, for the next one of the same bytes by a
peer that is the same to all rules: of the same ids and facts, through the same door.
"""

from fdbrokerd.exchange import Caller
from fdbrokerd.messages import Call, decode

MAX_CALLS = 4
MAX_BYTES = 256
"""A peer that repeats itself asks for few things in few words."""

MAX_CALLERS = 512
"""Then all are forgotten: some megabytes, for as many as are at it at the same time."""


class Repeated:
    """The last calls of those who are the same to the rules, by their bytes."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[bytes, Call] = {}

    def read(self, data: bytes) -> Call:
        """Return the call that a message holds. Raises NotJson for what is not a JSON object."""
        call = self._calls.get(data)
        if call is None:
            call = decode(data)
            if len(data) <= MAX_BYTES:
                if len(self._calls) == MAX_CALLS:
                    self._calls.clear()
                self._calls[data] = call
        return call


class Callers:
    """What each sort of caller asks for again and again."""

    def __init__(self) -> None:
        self._repeated: dict[tuple[object, ...], Repeated] = {}

    def calls_of(self, caller: Caller) -> Repeated:
        """Return the calls of those who are to the rules what this caller is."""
        peer = caller.peer
        key = (peer.uid, peer.gid, peer.groups, peer.facts, peer.foreign, caller.scope)
        repeated = self._repeated.get(key)
        if repeated is None:
            if len(self._repeated) == MAX_CALLERS:
                self._repeated.clear()
            repeated = self._repeated[key] = Repeated()
        return repeated
