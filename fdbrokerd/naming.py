# SPDX-License-Identifier: MIT
"""Which items a resource may have, and for whom: the one judge of names, beside the rules' verdict.

    admits(resource, item, peer, user) -> None, or what is wrong with the name
    names_user(resource) -> whether `user`, the peer's user name, is needed for that at all
    needs_item(resource, verb) -> whether the verb is about an item, RESOURCE/ITEM, and nothing else
    is_whole(resource, request) -> whether it is about all items of a resource
    objection(resource, request, peer, user) -> what `admits` and `needs_item` say of a request
    impossible(resource, verb, name) -> the same of everybody: None where somebody could ask it

Pure: who asks finds out the user's name, which may wait for the name service. What the rules allow
is refused all the same where a name is not admitted; the broker, `explain` and the tests in the
rules ask here, so they cannot come to different answers.
"""

from collections.abc import Mapping

from fdbrokerd.model.glob import path_glob
from fdbrokerd.model.holding import ItemNames
from fdbrokerd.model.peer import UNMAPPED_ID, Peer
from fdbrokerd.model.resource import ITEM_NAME, Request, Resource, item_of

MAX_NAME_CHARACTERS = 256
"""Of RESOURCE/ITEM: twice over it fits into a memfd's name, a log line and a terminal's width; the
table of all names is read at each start."""

ABOUT_ITEMS = frozenset({"put", "take", "remove"})
"""The verbs that are about one item."""

ABOUT_ALL_ITEMS = frozenset({"list", "watch"})
"""Those that are about all of a resource's where none is named."""


def admits(resource: Resource, item: str, peer: Peer, user: str | None) -> str | None:
    """Return why this peer can have no item of this name, or None.

    `item` is what follows the `/`; `user` the name of the peer's uid, None where nobody knows it or
    where `names_user` says that it is not needed. A name that holds what is unknown of the peer is
    not admitted.
    """
    if problem := malformed(resource, item):
        return problem
    assert resource.holding is not None, "malformed has looked"
    names = resource.holding.names
    if names is not None and not names.admits(item, _words(peer, user)):
        return f"is not a name that {resource.name} holds for you"
    return None


def malformed(resource: Resource, item: str) -> str | None:
    """Return why nobody can have an item of this name, whatever `names` says, or None."""
    if resource.holding is None:
        return f"is not there: {resource.name} has no items"
    if len(resource.name) + 1 + len(item) > MAX_NAME_CHARACTERS:
        return f"is longer than {MAX_NAME_CHARACTERS} characters"
    if not ITEM_NAME.fullmatch(item):
        return (
            "is not a name: levels of letters, digits and . _ @ + -, divided by '/', "
            "each begun by a letter, a digit or _"
        )
    return None


def names_user(resource: Resource) -> bool:
    """Tell whether the name of the peer's user decides which items it can have."""
    holding = resource.holding
    return holding is not None and holding.names is not None and holding.names.names_user


def needs_item(resource: Resource, verb: str) -> bool:
    """Tell whether a verb can only be about an item: a store itself is nothing to get.

    False of a resource without items: there the verb itself is what no rule can allow.
    """
    if resource.holding is None:
        return False
    return verb in ABOUT_ITEMS or (verb == "get" and not resource.holding.makes)


def is_whole(resource: Resource, request: Request) -> bool:
    """Tell whether a request is about all items of a resource, each of which is judged by itself.

    It is allowed where some of them may be (`policy.may_some`).
    """
    return (
        resource.holding is not None
        and "/" not in request.resource
        and request.verb in ABOUT_ALL_ITEMS
    )


def objection(resource: Resource, request: Request, peer: Peer, user: str | None) -> str | None:
    """Return why a request cannot be granted whatever the rules say of it, or None."""
    if "/" in request.resource:
        return admits(resource, item_of(request.resource), peer, user)
    if needs_item(resource, request.verb):
        return f"is no item: say {resource.name}/NAME"
    return None


def impossible(resource: Resource, verb: str, name: str) -> str | None:
    """Return why nobody's request for a name can be granted, whatever the rules say, or None."""
    if "/" not in name:
        return f"is no item: say {name}/NAME" if needs_item(resource, verb) else None
    item = item_of(name)
    if problem := malformed(resource, item):
        return problem
    assert resource.holding is not None, "malformed has looked"
    names = resource.holding.names
    if names is None or path_glob("/" + widest(names)).fullmatch("/" + item):
        return None
    return f"is not a name that {resource.name} holds for anybody: {written(names)}"


def depends_on_peer(resource: Resource) -> bool:
    """Tell whether the names that may be had are others for each peer."""
    names = None if resource.holding is None else resource.holding.names
    return names is not None and len(names.pieces) > 1


def widest(names: ItemNames) -> str:
    """Return the glob that every peer's names match: each ${…} may be anything in its level."""
    return "".join(piece if at % 2 == 0 else "*" for at, piece in enumerate(names.pieces))


def written(names: ItemNames) -> str:
    """Return the glob as a file has it."""
    return "".join(
        piece if at % 2 == 0 else f"${{{piece}}}" for at, piece in enumerate(names.pieces)
    )


def _words(peer: Peer, user: str | None) -> Mapping[str, str]:
    """Return what a name may hold of the peer; an id that has no number here is nobody's."""
    words = {}
    if peer.uid != UNMAPPED_ID:
        words["uid"] = str(peer.uid)
        if user is not None:
            words["user"] = user
    if peer.gid != UNMAPPED_ID:
        words["gid"] = str(peer.gid)
    return words
