# SPDX-License-Identifier: MIT
"""The kind `socketpair`: two connected sockets of AF_UNIX, each the other's only peer (unix(7)).

    type  stream (the default), dgram or seqpacket
    ends  of named ones: once (the default) or shared, see `ends`
    names, quota, ttl   of one that is held under a name: see `items`

The descriptors are `a` and `b`; a peer may say `end`, one of these, with a name. What SO_PEERCRED
says of a pair is who made it: a child makes it as the peer that asks, never as the broker, which
would look like root to whoever gets an end later. Of a named one both ends say who asked for it
first, so they are no proof of who has the other end: that is what the rules decide. The pid is a
child's of the broker, mostly gone.
"""

import socket
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.become import become
from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.ends import ENDS, end_argument, once, refuse_lone_end, wanted_end
from fdbrokerd.kinds.items import NAMES, QUOTA_OF_MADE, TTL, VERBS_OF_MADE, holding_of_made
from fdbrokerd.kinds.kind import WouldBlock
from fdbrokerd.kinds.numbered import numbered
from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.key import Key, Values, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened

TYPES: Mapping[str, int] = MappingProxyType(
    {
        "stream": socket.SOCK_STREAM,
        "dgram": socket.SOCK_DGRAM,
        "seqpacket": socket.SOCK_SEQPACKET,
    }
)


class SocketpairSpec(Struct, frozen=True):
    """How it is made, and how named ones are held."""

    type: int
    holding: Holding


class Socketpair:
    """The kind."""

    name = "socketpair"
    verbs = VERBS_OF_MADE
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "type": Key(Word(tuple(TYPES)), "stream unless given"),
            "ends": ENDS,
            "names": NAMES,
            "quota": QUOTA_OF_MADE,
            "ttl": TTL,
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType({"end": end_argument("a", "b")})
    descriptors: tuple[str, ...] = ("a", "b")
    many = True

    def spec(self, values: Values, arguments: frozenset[str]) -> SocketpairSpec:  # noqa: ARG002
        """Return the specification."""
        kind = TYPES[values.text("type") or "stream"]
        return SocketpairSpec(int(kind), holding_of_made(values, "socket", once=once(values)))

    def may_block(self, spec: SocketpairSpec) -> bool:  # noqa: ARG002
        """Tell that a child makes it: as the peer, and with a pid that is not the daemon's."""
        return True

    def holding(self, spec: SocketpairSpec) -> Holding:
        """Return how named ones are held."""
        return spec.holding

    def wanted(self, request: Request) -> frozenset[str] | None:
        """Return the end that was asked for."""
        return wanted_end(request)

    def open(self, spec: SocketpairSpec, request: Request, peer: Peer, *, may_wait: bool) -> Opened:
        """Make as many as were asked for, both ends of each, all or none, as the peer."""
        refuse_lone_end(request)
        if not may_wait:
            raise WouldBlock
        become(peer)
        return numbered(request.count, lambda: _made(spec.type))


def _made(kind: int) -> Mapping[str, OwnedFd]:
    a, b = socket.socketpair(socket.AF_UNIX, kind)  # close-on-exec (PEP 446)
    return {"a": OwnedFd(a.detach()), "b": OwnedFd(b.detach())}


KIND = Socketpair()
