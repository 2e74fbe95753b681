# SPDX-License-Identifier: MIT
"""Peers, requests, rules and resources as the tests want them."""

import os
from collections.abc import Mapping

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.file import KIND as FILE
from fdbrokerd.kinds.file_spec import FileSpec
from fdbrokerd.model.argument import Argument, ArgumentLimit
from fdbrokerd.model.key import Values
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import IdRanges, Peer
from fdbrokerd.model.resource import NO_ARGUMENTS, Place, Request, Resource
from fdbrokerd.model.rule import Effect, Limit, Rule
from fdbrokerd.opened import Opened

USER = 61234
"""A uid that nobody has here."""
OTHER = 61235

PLACE = Place("test.yaml", 1, 1)
EVERYBODY = PeerMatch(uids=(IdRanges(((0, 2**32 - 2),)),))


def a_peer(uid: int = USER, *, groups: tuple[int, ...] = (), pid: int | None = None) -> Peer:
    """Return a peer whose group has its own number, in this process unless a pid is given."""
    return Peer(os.getpid() if pid is None else pid, uid, uid, frozenset((uid, *groups)))


def a_request(resource: str = "thing", count: int = 1, /, **arguments: str) -> Request:
    """Return a request to get something."""
    return Request("get", resource, arguments, count)


def uids(*numbers: int) -> PeerMatch:
    """Return the match of some uids."""
    return PeerMatch(uids=(IdRanges(tuple((number, number) for number in numbers)),))


def a_rule(
    id: str,  # noqa: A002 (its name in a rule)
    *resources: str,
    deny: bool = False,
    peer: PeerMatch = EVERYBODY,
    limit: Limit | None = None,
    hint: str | None = None,
    arguments: Mapping[str, ArgumentLimit] | None = None,
) -> Rule:
    """Return a rule about getting some resources."""
    effect = Effect.DENY if deny else Effect.ALLOW
    verbs = frozenset({"get"})
    return Rule(id, effect, resources, verbs, peer, arguments or {}, limit, hint, PLACE)


def a_resource(
    name: str, kind: str, spec: object, arguments: Mapping[str, Argument] | None = None
) -> Resource:
    """Return a resource."""
    return Resource(name, kind, arguments or {}, spec, PLACE)


def file_spec(arguments: tuple[str, ...] = (), /, **keys: object) -> FileSpec:
    """Return the specification of a file; `max_size` is max-size; access is read unless given."""
    named = {name.replace("_", "-"): value for name, value in keys.items()}
    return FILE.spec(Values({"access": "read"} | named), frozenset(arguments))


def opened_file(
    spec: FileSpec,
    peer: Peer | None = None,
    arguments: Mapping[str, str] = NO_ARGUMENTS,
    *,
    may_wait: bool = True,
) -> Opened:
    """Open a file for a peer as the broker does."""
    request = Request("get", "thing", arguments)
    return FILE.open(spec, request, peer or a_peer(), may_wait=may_wait)


def only_one(opened: Opened) -> OwnedFd:
    """Return the only descriptor of what was opened."""
    (descriptor,) = opened.descriptors
    return descriptor
