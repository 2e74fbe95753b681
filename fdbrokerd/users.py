# SPDX-License-Identifier: MIT
"""The names of users who have asked for something that is named after them.

The name service may wait for a server on the network, so a child asks it, and what it said is
remembered for a while.
"""

from collections.abc import Callable

from msgspec import Struct

from fdbrokerd.errors import CallError

REMEMBERED_SECONDS = 60.0
"""A user that is renamed, or made, is known by the new name within this time."""

MAX_REMEMBERED = 4096
"""More users than ask within a minute of any machine; then all are asked for again."""

LookUp = Callable[[int, Callable[[str | CallError | None], None]], None]
Then = Callable[[CallError | None], None]


class _Known(Struct, frozen=True):
    name: str | None
    until: float


class Users:
    """The names by uid, as long as they are remembered."""

    def __init__(self, look_up: LookUp, clock: Callable[[], float]) -> None:
        """`look_up` asks for the name of a uid; raises CallError where it cannot."""
        self._look_up = look_up
        self._clock = clock
        self._known: dict[int, _Known] = {}
        self._asking: dict[int, list[Then]] = {}

    def knows(self, uid: int) -> bool:
        """Tell whether `name` has the answer."""
        known = self._known.get(uid)
        return known is not None and known.until > self._clock()

    def name(self, uid: int) -> str | None:
        """Return the name of a uid, None where it has none or was not found out."""
        known = self._known.get(uid)
        return None if known is None else known.name

    def find(self, uid: int, then: Then) -> None:
        """Find a name out, and tell `then` once, later, with the error where that failed.

        Raises CallError where nobody can be asked.
        """
        if uid in self._asking:
            self._asking[uid].append(then)
            return
        self._look_up(uid, lambda answer: self._found(uid, answer))
        self._asking[uid] = [then]

    def _found(self, uid: int, answer: str | CallError | None) -> None:
        error = answer if isinstance(answer, CallError) else None
        if not isinstance(answer, CallError):
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[uid] = _Known(answer, self._clock() + REMEMBERED_SECONDS)
        for then in self._asking.pop(uid):
            then(error)
