# SPDX-License-Identifier: MIT
"""The kind `store`: holds under names what peers put, and opens nothing itself.

    names      which names there may be, and for whom: see `items`
    accept     sorts of descriptors that may be put: file pty socket memfd eventfd timerfd pidfd
               pipe tun; all of them unless given (with `share: read-only`, file and memfd). Judged
               on the descriptor itself, whatever a peer says that it is
    seals      that each memfd must have: seal shrink grow write future-write exec (fcntl(2))
    quota      how much may be held at once: items, descriptors, metadata, per (uid or store)
    ttl        how long an item is held: default, max
    on-hangup  keep (the default) or drop: what becomes of an item whose other end is gone
    share      dup (the default): who gets an item shares the open file description with all others,
               its offset and O_NONBLOCK too. read-only: a fresh descriptor that cannot be turned
               into one that writes

An item has the names of descriptors that its putter gave; they are put and got together.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.errors import NoSuchItem
from fdbrokerd.kinds.items import NAMES, QUOTA_OF_STORE, TTL, names_of, quota_of, ttl_of, unique
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import READ_ONLY_TYPES, SEALS, TYPES, Holding
from fdbrokerd.model.key import Key, KeyRefused, Many, Values, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened


class StoreSpec(Struct, frozen=True):
    """How it holds what is put."""

    holding: Holding


class Store:
    """The kind."""

    name = "store"
    verbs = frozenset({"get", "put", "take", "remove", "list", "watch"})
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "names": NAMES,
            "accept": Key(Many(Word(TYPES)), "sorts of descriptors; all unless given"),
            "seals": Key(Many(Word(SEALS)), "seals that each memfd must have"),
            "quota": QUOTA_OF_STORE,
            "ttl": TTL,
            "on-hangup": Key(
                Word(("keep", "drop")), "what becomes of an item whose other end is gone; keep"
            ),
            "share": Key(
                Word(("dup", "read-only")), "the same open file, dup, or one that only reads"
            ),
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({})
    descriptors: tuple[str, ...] = ()
    many = False

    def spec(self, values: Values, arguments: frozenset[str]) -> StoreSpec:
        """Return the specification."""
        if arguments:
            raise KeyRefused("arguments", "a store has none: its items are what was put")
        accept = _accept(values)
        return StoreSpec(
            Holding(
                names=names_of(values),
                accept=accept,
                seals=_seals(values, accept),
                quota=quota_of(values),
                ttl=ttl_of(values),
                drop_on_hangup=values.text("on-hangup") == "drop",
                read_only=values.text("share") == "read-only",
            )
        )

    def may_block(self, spec: StoreSpec) -> bool:  # noqa: ARG002
        """Tell that nothing is opened."""
        return False

    def holding(self, spec: StoreSpec) -> Holding:
        """Return how it holds items."""
        return spec.holding

    def wanted(self, request: Request) -> None:  # noqa: ARG002
        """Tell that all of an item is handed over together."""
        return

    def open(
        self,
        spec: StoreSpec,  # noqa: ARG002
        request: Request,
        peer: Peer,  # noqa: ARG002
        *,
        may_wait: bool,  # noqa: ARG002
    ) -> Opened:
        """Raise NoSuchItem: what nobody put is not there."""
        raise NoSuchItem(item=request.resource)


def _accept(values: Values) -> frozenset[str]:
    accept = unique(values, "accept")
    if values.text("share") != "read-only":
        return accept or frozenset(TYPES)
    for index, word in enumerate(values.texts("accept")):
        if word not in READ_ONLY_TYPES:
            raise KeyRefused(
                f"accept.{index}",
                f"of a {word} there is no descriptor that only reads, as share: read-only wants",
            )
    return accept or READ_ONLY_TYPES


def _seals(values: Values, accept: frozenset[str]) -> frozenset[str]:
    seals = unique(values, "seals")
    if seals and "memfd" not in accept:
        raise KeyRefused("seals", "a memfd has them, which accept leaves out")
    return seals


KIND = Store()
