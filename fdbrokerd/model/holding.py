# SPDX-License-Identifier: MIT
"""How a resource holds items: which names, which descriptors, how many, how long."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from fdbrokerd.model.glob import path_glob
from fdbrokerd.model.resource import ITEM_COMPONENT

TYPES = (
    "file",
    "pty",
    "socket",
    "memfd",
    "eventfd",
    "timerfd",
    "pidfd",
    "pipe",
    "tun",
)
"""The sorts of descriptors that are safe to hold and to close; no other is ever taken."""

READ_ONLY_TYPES = frozenset({"file", "memfd"})
"""Those of which a descriptor can be made that only reads: the others carry both ways, or can be
opened again for writing by whoever has them."""

SEALS = ("seal", "shrink", "grow", "write", "future-write", "exec")
"""F_ADD_SEALS of fcntl(2), in the order of their bits."""

MAX_ITEMS = 128
MAX_DESCRIPTORS_HELD = 256
MAX_METADATA_BYTES = 64 * 1024
"""For each user unless a store says otherwise: enough for the listeners of a large service, and a
sixteenth of what systemd's store is made to hold."""


class QuotaPer(Enum):
    """Who shares a quota: the items of one uid, or all of the store's."""

    UID = "uid"
    STORE = "store"


class Quota(Struct, frozen=True):
    """How much may be held at once; `metadata` in bytes."""

    items: int = MAX_ITEMS
    descriptors: int = MAX_DESCRIPTORS_HELD
    metadata: int = MAX_METADATA_BYTES
    per: QuotaPer = QuotaPer.UID


class Ttl(Struct, frozen=True):
    """How long an item is held, in seconds: when its owner does not say, and at the most."""

    default_seconds: int | None = None
    max_seconds: int | None = None


class ItemNames(Struct, frozen=True):
    """A glob over items' names as pieces: text at even places, words of the peer at odd ones."""

    pieces: tuple[str, ...]

    @property
    def names_user(self) -> bool:
        """Tell whether the peer's user name is needed, so the name service."""
        return "user" in self.pieces[1::2]

    def admits(self, item: str, words: Mapping[str, str]) -> bool:
        """Tell whether an item may have this name for a peer whose words these are.

        False where a word is missing, or is none that a name can hold.
        """
        filled = list(self.pieces)
        for index in range(1, len(filled), 2):
            word = words.get(filled[index], "")
            if not ITEM_COMPONENT.fullmatch(word):
                return False
            filled[index] = word
        return path_glob("/" + "".join(filled)).fullmatch("/" + item) is not None


class Holding(Struct, frozen=True):
    """How a resource holds items. `names` None: any name.

    `once`: each descriptor is handed over once and then no longer held, so that the ends of a pipe
    see each other go. `makes`: an item that is not there is made by a Get.
    """

    names: ItemNames | None = None
    accept: frozenset[str] = frozenset(TYPES)
    seals: frozenset[str] = frozenset()
    quota: Quota = Quota()
    ttl: Ttl = Ttl()
    drop_on_hangup: bool = False
    read_only: bool = False
    once: bool = False
    makes: bool = False
