# SPDX-License-Identifier: MIT
"""The kind `eventfd`: a counter by which one process wakes another (eventfd(2)).

    initial       what it begins with; 0 unless given
    semaphore     each read takes one, instead of all there is
    non-blocking  a read of nothing is EAGAIN. O_NONBLOCK belongs to the open file description:
                  everybody who has the eventfd shares it, and anybody may change it for all
    names, quota, ttl   of one that is held under a name: see `items`

`Get RES` makes one for the peer alone; `Get RES/NAME` one that everybody gets who asks for that
name, until it is removed. The descriptor is `eventfd`.
"""

import os
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.items import NAMES, QUOTA_OF_MADE, TTL, VERBS_OF_MADE, holding_of_made
from fdbrokerd.kinds.numbered import numbered
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.key import Flag, Key, Values, Whole
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened

MAX_INITIAL = 2**32 - 2
"""eventfd(2) takes an unsigned int. The counter itself goes on to 2^64 - 2."""


class EventfdSpec(Struct, frozen=True):
    """How it is made, and how named ones are held."""

    initial: int
    flags: int
    holding: Holding


class Eventfd:
    """The kind."""

    name = "eventfd"
    verbs = VERBS_OF_MADE
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "initial": Key(Whole(0, MAX_INITIAL), "what it begins with; 0 unless given"),
            "semaphore": Key(Flag(), "each read takes one"),
            "non-blocking": Key(Flag(), "O_NONBLOCK, which all who have it share"),
            "names": NAMES,
            "quota": QUOTA_OF_MADE,
            "ttl": TTL,
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({})
    descriptors: tuple[str, ...] = ("eventfd",)
    many = True

    def spec(self, values: Values, arguments: frozenset[str]) -> EventfdSpec:  # noqa: ARG002
        """Return the specification."""
        flags = os.EFD_CLOEXEC
        if values.flag("semaphore"):
            flags |= os.EFD_SEMAPHORE
        if values.flag("non-blocking"):
            flags |= os.EFD_NONBLOCK
        return EventfdSpec(values.number("initial") or 0, flags, holding_of_made(values, "eventfd"))

    def may_block(self, spec: EventfdSpec) -> bool:  # noqa: ARG002
        """Tell that it never does."""
        return False

    def holding(self, spec: EventfdSpec) -> Holding:
        """Return how named ones are held."""
        return spec.holding

    def wanted(self, request: Request) -> None:  # noqa: ARG002
        """Tell that all there is of it is handed over."""
        return

    def open(
        self,
        spec: EventfdSpec,
        request: Request,
        peer: Peer,  # noqa: ARG002
        *,
        may_wait: bool,  # noqa: ARG002
    ) -> Opened:
        """Make as many as were asked for, all or none."""
        return numbered(
            request.count, lambda: {"eventfd": OwnedFd(os.eventfd(spec.initial, spec.flags))}
        )


KIND = Eventfd()
