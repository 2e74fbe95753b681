# SPDX-License-Identifier: MIT
"""The kind `memfd`: memory with a descriptor, to be shared.

    size   in bytes; 0 unless given, and then whoever writes makes it larger
    seals  what can no longer be done with it: shrink, grow, exec, and seal (no further seals)
    names, quota, ttl   of memory that is held under a name: see `items`

`Get RES` makes one for the peer alone; `Get RES/NAME` one that everybody gets who asks for that
name, until it is removed. The descriptor is `memfd`. All who have it share one offset: mmap(2) it,
or use pread(2) and pwrite(2). It is never executable on Linux 6.3 and later (MFD_NOEXEC_SEAL).
"""

import os
from collections.abc import Mapping
from fcntl import F_ADD_SEALS, fcntl
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.items import (
    NAMES,
    QUOTA_OF_MADE,
    TTL,
    VERBS_OF_MADE,
    holding_of_made,
    unique,
)
from fdbrokerd.kinds.memory import new_memory
from fdbrokerd.kinds.numbered import numbered
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import SEALS, Holding
from fdbrokerd.model.key import Key, KeyRefused, Many, Size, Values, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.opened import Opened

MAX_MEMFD_BYTES = 1 << 30
"""Memory is only used when it is written, by whoever writes; some frames of the largest screens."""

_AGAINST_WRITING = frozenset({"write", "future-write"})


class MemfdSpec(Struct, frozen=True):
    """How it is made: bytes, the bits of its seals, and how named ones are held."""

    size: int
    seals: int
    holding: Holding


class Memfd:
    """The kind."""

    name = "memfd"
    verbs = VERBS_OF_MADE
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "size": Key(Size(MAX_MEMFD_BYTES), "in bytes; empty unless given"),
            "seals": Key(Many(Word(SEALS)), "what can no longer be done with it"),
            "names": NAMES,
            "quota": QUOTA_OF_MADE,
            "ttl": TTL,
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({})
    descriptors: tuple[str, ...] = ("memfd",)
    many = True

    def spec(self, values: Values, arguments: frozenset[str]) -> MemfdSpec:  # noqa: ARG002
        """Return the specification."""
        size = values.number("size") or 0
        seals = unique(values, "seals")
        for index, seal in enumerate(values.texts("seals")):
            if seal in _AGAINST_WRITING:
                raise KeyRefused(f"seals.{index}", f"{seal} would leave nothing to write, ever")
        if "grow" in seals and not size:
            raise KeyRefused("seals", "grow without a size would leave nothing to write, ever")
        bits = sum(1 << SEALS.index(seal) for seal in seals)
        return MemfdSpec(size, bits, holding_of_made(values, "memfd"))

    def may_block(self, spec: MemfdSpec) -> bool:  # noqa: ARG002
        """Tell that it never does."""
        return False

    def holding(self, spec: MemfdSpec) -> Holding:
        """Return how named ones are held."""
        return spec.holding

    def wanted(self, request: Request) -> None:  # noqa: ARG002
        """Tell that all there is of it is handed over."""
        return

    def open(
        self,
        spec: MemfdSpec,
        request: Request,
        peer: Peer,  # noqa: ARG002
        *,
        may_wait: bool,  # noqa: ARG002
    ) -> Opened:
        """Make as many as were asked for, all or none."""
        name = resource_of(request.resource)
        return numbered(request.count, lambda: {"memfd": _made(spec, name)})


def _made(spec: MemfdSpec, name: str) -> OwnedFd:
    memory = new_memory(name)
    try:
        os.ftruncate(memory.fileno(), spec.size)
        if spec.seals:
            fcntl(memory.fileno(), F_ADD_SEALS, spec.seals)
    except BaseException:
        memory.close()
        raise
    return memory


KIND = Memfd()
