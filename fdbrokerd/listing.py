# SPDX-License-Identifier: MIT
"""The items that a peer is told of: those that it may list, and those that its user has put."""

from time import CLOCK_REALTIME, clock_gettime_ns

from fdbrokerd.asked import InForce
from fdbrokerd.exchange import Caller
from fdbrokerd.leases import Leases
from fdbrokerd.model.resource import NO_ARGUMENTS, Request, Resource, item_of, resource_of
from fdbrokerd.naming import admits
from fdbrokerd.policy import decide
from fdbrokerd.store.alarm import now_ns
from fdbrokerd.store.item import Item
from fdbrokerd.store.store import Store


def listed(
    caller: Caller, user: str | None, in_force: InForce, leases: Leases, store: Store
) -> list[dict[str, object]]:
    """Return the items, in order of their names. `user` is the peer's name, if it matters."""
    # The offset of the two clocks of this moment, so that every time is told by the same.
    offset = clock_gettime_ns(CLOCK_REALTIME) - now_ns()
    return [
        _told(item, offset, leases.holders(item.name), reserved=store.is_reserved(item.name))
        for item in store.items()
        if _sees(caller, user, in_force, item)
    ]


def _sees(caller: Caller, user: str | None, in_force: InForce, item: Item) -> bool:
    """Tell whether a peer may know of an item. Its owner does; a uid of elsewhere is nobody's."""
    resource = in_force.ruleset.resources.get(resource_of(item.name))
    if resource is None or not caller.sees(resource.name):
        return False
    if item.owner == caller.peer.uid and not caller.peer.foreign:
        return True
    return _may_list(caller, user, in_force, resource, item)


def _may_list(
    caller: Caller, user: str | None, in_force: InForce, resource: Resource, item: Item
) -> bool:
    request = Request("list", item.name, NO_ARGUMENTS)
    return (
        decide(in_force.ruleset, caller.peer, request).allowed
        and admits(resource, item_of(item.name), caller.peer, user) is None
    )


def _told(item: Item, offset: int, holders: int, *, reserved: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "name": item.name,
        "kind": item.kind,
        "state": "reserved" if reserved else "available",
        "owner": item.owner,
        "createdUSec": (item.created + offset) // 1000,
        "holders": holders,
        "metadata": item.metadata,
        "descriptors": [
            {"name": part.name, "type": part.type, "what": part.what} for part in item.parts
        ],
    }
    if item.expires is not None:
        told["expiresUSec"] = (item.expires + offset) // 1000
    return told
