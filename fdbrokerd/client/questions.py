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
    parameters = _of_resource(resource, arguments, do)
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


def explain_as(
    resource: str,
    arguments: Mapping[str, str] | None,
    do: str | None,
    pretended: Mapping[str, object],
) -> Question[Explanation]:
    """Ask whether a peer that is made up would be allowed something, and why."""
    return _explain_other(resource, arguments, do, {"as": dict(pretended)})


def explain_pid(
    resource: str, arguments: Mapping[str, str] | None, do: str | None, pid: int
) -> Question[Explanation]:
    """Ask whether a running process would be allowed something, and why."""
    return _explain_other(resource, arguments, do, {"pid": pid})


def explain_request(request: str) -> Question[Explanation]:
    """Ask why a request of the recent past was denied."""
    return _explain_other(None, None, None, {"request": request})


def who_can(resource: str, arguments: Mapping[str, str] | None, do: str | None) -> Question[str]:
    """Ask who is allowed something."""
    parameters = _of_resource(resource, arguments, do)
    return "io.fdbroker.Manager.WhoCan", parameters, lambda reply: _plain(reply).text("text")


def _explain_other(
    resource: str | None,
    arguments: Mapping[str, str] | None,
    do: str | None,
    peer: Mapping[str, object],
) -> Question[Explanation]:
    parameters = _of_resource(resource, arguments, do) | dict(peer)
    method = "io.fdbroker.Manager.Explain"
    return method, parameters, lambda reply: Explanation(_plain(reply))


def _of_resource(
    resource: str | None, arguments: Mapping[str, str] | None, do: str | None
) -> dict[str, object]:
    """Return the parameters of a question about a resource; what is None is not sent."""
    given = dict(arguments) if arguments else None
    return {"resource": resource, "arguments": given, "do": do}


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
