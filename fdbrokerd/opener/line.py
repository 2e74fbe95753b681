# SPDX-License-Identifier: MIT
"""Commits that wait for a child: of a uid that makes many at once one follows the other."""

import asyncio
from collections.abc import Callable
from functools import partial

from fdbrokerd.deadline import Deadline
from fdbrokerd.errors import Busy, CallError, TimedOut
from fdbrokerd.fd import OwnedFd
from fdbrokerd.opener.intake import Intake, Received

MAX_WAITING = 1024
"""Each is a connection that waits and a socket here."""

MAX_WAITING_PER_UID = 128
"""More than one program commits at once; each is served within a millisecond or two."""

WAITING_SECONDS = 10.0
"""Where the children of a uid are stuck, what stands behind them is given up."""

Done = Callable[[Received | CallError], None]
Begin = Callable[[Intake, OwnedFd, Done], None]
"""Gives it to a child, and owns the deposit then; or raises CallError, and does not."""


class _Place:
    """One that waits, and the deposit that it owns."""

    __slots__ = ("deadline", "deposit", "done", "job")

    def __init__(self, job: Intake, deposit: OwnedFd, done: Done) -> None:
        self.job = job
        self.deposit = deposit
        self.done = done
        self.deadline: Deadline | None = None


class Line:
    """Who waits, in the order of arrival."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        begin: Begin,
        drain: Callable[[OwnedFd, int], None],
    ) -> None:
        self._loop = loop
        self._begin = begin
        self._drain = drain
        self._places: list[_Place] = []

    def has_room(self, uid: int) -> bool:
        """Tell whether one more may wait."""
        of_uid = sum(place.job.uid == uid for place in self._places)
        return of_uid < MAX_WAITING_PER_UID and len(self._places) < MAX_WAITING

    def add(self, job: Intake, deposit: OwnedFd, done: Done) -> None:
        """Have it wait; owns the deposit."""
        place = _Place(job, deposit, done)
        place.deadline = Deadline(self._loop, WAITING_SECONDS, partial(self._late, place))
        self._places.append(place)

    def advance(self) -> None:
        """Give to children what they can take now: one uid that has too many holds up no other."""
        full: set[int] = set()
        for place in tuple(self._places):
            if place.job.uid in full:
                continue
            try:
                self._begin(place.job, place.deposit, place.done)
            except CallError:
                full.add(place.job.uid)
            else:
                self._leave(place)

    def _late(self, place: _Place) -> None:
        self._leave(place)
        self._drain(place.deposit, place.job.uid)
        place.done(TimedOut(resource=place.job.subject))

    def _leave(self, place: _Place) -> None:
        assert place.deadline is not None
        place.deadline.cancel()
        self._places.remove(place)

    def refuse(self) -> None:
        """Answer all that wait that they do so in vain: there will be no more children."""
        for place in tuple(self._places):
            self._leave(place)
            self._drain(place.deposit, place.job.uid)
            place.done(Busy(resource=place.job.subject))

    def close(self) -> None:
        """Answer nobody any more."""
        for place in tuple(self._places):
            self._leave(place)
            self._drain(place.deposit, place.job.uid)
