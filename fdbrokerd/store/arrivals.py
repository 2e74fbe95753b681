# SPDX-License-Identifier: MIT
"""Descriptors on their way into an item: each gets its id, and a copy of each is kept elsewhere."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.held import Held
from fdbrokerd.store.item import Part

Then = Callable[[tuple[Part, ...], OSError | None], None]


class Given(Struct, frozen=True):
    """A descriptor that is to become a part of an item: owned, judged, and called something."""

    name: str
    descriptor: OwnedFd
    type: str
    what: str


class Arrivals:
    """What arrives. Ids are counted up and never used again, so a late message means nothing."""

    def __init__(self, held: Held, new_id: Callable[[], int]) -> None:
        self._held = held
        self._new_id = new_id

    def keep(self, given: Sequence[Given], then: Then) -> None:
        """Hold what is given, owned from here on, and tell `then` of the parts, now or later.

        Each part is a use of its descriptor, which the receiver releases; also where one could not
        be kept, which `then` is told as well.
        """
        parts, failure = self._parts(given)
        if failure is not None:
            then(parts, failure)
            return
        # One that another Put of this moment brought may not be kept yet. To say it twice is no
        # harm, and in the manager's queue this one comes after that.
        unkept = [one for one in {part.id for part in parts} if not self._held.is_kept(one)]
        arrival = _Arrival(parts, then, len(unkept))
        for identity in unkept:
            self._held.keep(identity, partial(_kept, arrival))
        if not unkept:
            then(parts, None)

    def _parts(self, given: Sequence[Given]) -> tuple[tuple[Part, ...], OSError | None]:
        """Return the parts; where one cannot be held, those before it, and why."""
        parts: list[Part] = []
        for one in given:
            try:
                identity = self._held.enter(one.descriptor, self._new_id)
            except OSError as error:
                self.refuse(given[len(parts) :])
                return tuple(parts), error
            parts.append(Part(one.name, identity, one.type, one.what))
        return tuple(parts), None

    def refuse(self, given: Iterable[Given]) -> None:
        """Have closed what is not held after all."""
        for one in given:
            self._held.refuse(one.descriptor)


class _Arrival:
    """The parts of one item, and how many are not kept yet."""

    __slots__ = ("failure", "outstanding", "parts", "then")

    def __init__(self, parts: tuple[Part, ...], then: Then, outstanding: int) -> None:
        self.parts = parts
        self.then = then
        self.outstanding = outstanding
        self.failure: OSError | None = None


def _kept(arrival: _Arrival, error: OSError | None) -> None:
    arrival.failure = arrival.failure or error
    arrival.outstanding -= 1
    if not arrival.outstanding:
        arrival.then(arrival.parts, arrival.failure)
