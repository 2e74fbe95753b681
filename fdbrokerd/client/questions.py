# SPDX-License-Identifier: MIT
"""What can be asked: a method, its parameters, and what its reply becomes.

Both clients ask the same questions; only how they wait differs.
"""

from __future__ import annotations

from fdbrokerd.client.facts import Explanation, Item, Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias, TypeVar

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.fields import Fields

    Answer = TypeVar("Answer")
    Question: TypeAlias = tuple[str, Mapping[str, object], Callable[[Reply], Answer]]


def get(
    resource: str,
    arguments: Mapping[str, str] | None,
    count: int | None,
    read: Callable[[Reply], Answer],
) -> Question[Answer]:
    """Ask for descriptors."""
    given = dict(arguments) if arguments else None
    parameters = {"resource": resource, "arguments": given, "count": count}
    return "io.fdbroker.Broker.Get", parameters, read


def release(grant_id: str) -> Question[None]:
    """End a lease."""
    return "io.fdbroker.Broker.Release", {"grant": grant_id}, _nothing


def list_items() -> Question[tuple[Item, ...]]:
    """Ask what there is for this peer."""
    return "io.fdbroker.Broker.List", {}, _items


def who_am_i() -> Question[Peer]:
    """Ask who this peer is."""
    return "io.fdbroker.Broker.WhoAmI", {}, lambda reply: Peer(_plain(reply).object("peer"))


def explain(
    resource: str, arguments: Mapping[str, str] | None, do: str | None
) -> Question[Explanation]:
    """Ask whether something is allowed."""
    given = dict(arguments) if arguments else None
    parameters = {"resource": resource, "arguments": given, "do": do}
    return "io.fdbroker.Broker.Explain", parameters, lambda reply: Explanation(_plain(reply))


def ping() -> Question[Mapping[str, object]]:
    """Ask for the name and version of the service."""
    return "org.varlink.service.GetInfo", {}, _values


def status() -> Question[Mapping[str, object]]:
    """Ask how the broker is."""
    return "io.fdbroker.Manager.Status", {}, _values


def reload() -> Question[None]:
    """Have the rules read again."""
    return "io.fdbroker.Manager.Reload", {}, _nothing


def _plain(reply: Reply) -> Fields:
    """Return the fields of a reply that carries no descriptors."""
    reply.refuse_surplus()
    return reply.fields


def _values(reply: Reply) -> Mapping[str, object]:
    return _plain(reply).values


def _nothing(reply: Reply) -> None:
    _plain(reply)


def _items(reply: Reply) -> tuple[Item, ...]:
    return tuple(Item(fields) for fields in _plain(reply).objects("items"))
