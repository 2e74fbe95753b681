# SPDX-License-Identifier: MIT
"""The kind `pipe`: two ends, what is written at one is read at the other (pipe(7)).

    size  of its buffer, at the most what everybody may set (fs.pipe-max-size); 64K unless given
    ends  of named ones: once (the default) or shared, see `ends`
    names, quota, ttl   of one that is held under a name: see `items`

The descriptors are `read` and `write`; a peer may say `end`, one of these, with a name. The pipe
belongs to the broker's user with mode 0600: whoever has one end can open the other through /proc
only as that user.
"""

import os
from collections.abc import Mapping
from fcntl import F_SETPIPE_SZ, fcntl
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.ends import ENDS, end_argument, once, refuse_lone_end, wanted_end
from fdbrokerd.kinds.items import NAMES, QUOTA_OF_MADE, TTL, VERBS_OF_MADE, holding_of_made
from fdbrokerd.kinds.numbered import numbered
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.key import Key, Size, Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened

MAX_PIPE_BYTES = 1024 * 1024
"""What any user may set by F_SETPIPE_SZ as Linux comes: the broker lends nobody its privileges."""


class PipeSpec(Struct, frozen=True):
    """How it is made (a size of 0: as the kernel does), and how named ones are held."""

    size: int
    holding: Holding


class Pipe:
    """The kind."""

    name = "pipe"
    verbs = VERBS_OF_MADE
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "size": Key(Size(MAX_PIPE_BYTES), "of its buffer; 64K unless given"),
            "ends": ENDS,
            "names": NAMES,
            "quota": QUOTA_OF_MADE,
            "ttl": TTL,
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({"end": end_argument("read", "write")})
    descriptors: tuple[str, ...] = ("read", "write")
    many = True

    def spec(self, values: Values, arguments: frozenset[str]) -> PipeSpec:  # noqa: ARG002
        """Return the specification."""
        holding = holding_of_made(values, "pipe", once=once(values))
        return PipeSpec(values.number("size") or 0, holding)

    def may_block(self, spec: PipeSpec) -> bool:  # noqa: ARG002
        """Tell that it never does."""
        return False

    def holding(self, spec: PipeSpec) -> Holding:
        """Return how named ones are held."""
        return spec.holding

    def wanted(self, request: Request) -> frozenset[str] | None:
        """Return the end that was asked for."""
        return wanted_end(request)

    def open(
        self,
        spec: PipeSpec,
        request: Request,
        peer: Peer,  # noqa: ARG002
        *,
        may_wait: bool,  # noqa: ARG002
    ) -> Opened:
        """Make as many as were asked for, both ends of each, all or none."""
        refuse_lone_end(request)
        return numbered(request.count, lambda: _made(spec.size))


def _made(size: int) -> Mapping[str, OwnedFd]:
    read, write = map(OwnedFd, os.pipe2(os.O_CLOEXEC))
    try:
        if size:
            fcntl(write.fileno(), F_SETPIPE_SZ, size)
    except BaseException:
        read.close()
        write.close()
        raise
    return {"read": read, "write": write}


KIND = Pipe()
