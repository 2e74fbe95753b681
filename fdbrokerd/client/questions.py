# SPDX-License-Identifier: MIT
"""What can be asked: a method, its parameters, and what its reply becomes.

Both clients ask the same questions; only how they wait differs.
"""

from __future__ import annotations

from fdbrokerd.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias, TypeVar

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.deposit import Deposit
    from fdbrokerd.client.facts import Event, Explanation, Item, Peer
    from fdbrokerd.client.fields import Fields

    Answer = TypeVar("Answer")
    Question: TypeAlias = tuple[str, Mapping[str, object], Callable[[Reply], Answer]]

WATCH = "io.fdbroker.Broker.Watch"

_FOR_EVER_USEC = 2**63 - 1
"""The largest integer there is on the wire; anything above ten years waits for ever."""


def get(
    resource: str,
    arguments: Mapping[str, str] | None,
    count: int | None,
    wait_seconds: float | None,
    read: Callable[[Reply], Answer],
) -> Question[Answer]:
    """Ask for descriptors."""
    parameters = {
        "resource": resource,
        "arguments": dict(arguments) if arguments else None,
        "count": count,
        "waitUSec": _wait_usec(wait_seconds),
    }
    return "io.fdbroker.Broker.Get", parameters, read


def put(
    item: str,
    names: Sequence[str],
    *,
    replace: bool,
    ttl_seconds: float | None,
    metadata: Mapping[str, str] | None,
) -> Question[Deposit]:
    """Ask for a place for descriptors."""
    parameters = {
        "item": item,
        "names": list(names),
        "replace": replace or None,
        "ttlUSec": _ttl_usec(ttl_seconds),
        "metadata": dict(metadata) if metadata else None,
    }
    return "io.fdbroker.Broker.Put", parameters, _deposit


def take(
    item: str, wait_seconds: float | None, read: Callable[[Reply], Answer]
) -> Question[Answer]:
    """Ask for an item, to be removed by a Commit."""
    parameters = {"item": item, "waitUSec": _wait_usec(wait_seconds)}
    return "io.fdbroker.Broker.Take", parameters, read


def commit(transaction: str) -> Question[str]:
    """End a Put or a Take."""
    return (
        "io.fdbroker.Broker.Commit",
        {"transaction": transaction},
        lambda reply: _plain(reply).text("item"),
    )


def remove(item: str) -> Question[None]:
    """Remove an item."""
    return "io.fdbroker.Broker.Remove", {"item": item}, _nothing


def event(reply: Reply) -> Event:
    """Return what a Watch tells."""
    from fdbrokerd.client.facts import Event  # noqa: PLC0415

    return Event(_plain(reply), last=not reply.continues)


def release(grant_id: str) -> Question[None]:
    """End a lease."""
    return "io.fdbroker.Broker.Release", {"grant": grant_id}, _nothing


def list_items() -> Question[tuple[Item, ...]]:
    """Ask what there is for this peer."""
    return "io.fdbroker.Broker.List", {}, _items


def who_am_i() -> Question[Peer]:
    """Ask who this peer is."""
    return "io.fdbroker.Broker.WhoAmI", {}, _peer


def explain(
    resource: str, arguments: Mapping[str, str] | None, do: str | None
) -> Question[Explanation]:
    """Ask whether something is allowed."""
    return "io.fdbroker.Broker.Explain", _of_resource(resource, arguments, do), _explanation


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
    return "io.fdbroker.Manager.Explain", parameters, _explanation


def _of_resource(
    resource: str | None, arguments: Mapping[str, str] | None, do: str | None
) -> dict[str, object]:
    """Return the parameters of a question about a resource; what is None is not sent."""
    given = dict(arguments) if arguments else None
    return {"resource": resource, "arguments": given, "do": do}


def _wait_usec(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not seconds >= 0:  # not NaN either
        raise UsageError(f"cannot wait for {seconds} seconds")
    return int(min(seconds * 1e6, _FOR_EVER_USEC))


def _ttl_usec(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not 0 < seconds < _FOR_EVER_USEC / 1e6:
        raise UsageError(f"not a time to live: {seconds} seconds")
    return max(int(seconds * 1e6), 1)


def _plain(reply: Reply) -> Fields:
    """Return the fields of a reply that carries no descriptors."""
    reply.refuse_surplus()
    return reply.fields


def _values(reply: Reply) -> Mapping[str, object]:
    return _plain(reply).values


def _nothing(reply: Reply) -> None:
    _plain(reply)


# The values are imported where one is made: who only gets a descriptor does not load them.


def _deposit(reply: Reply) -> Deposit:
    from fdbrokerd.client.deposit import Deposit  # noqa: PLC0415

    return Deposit(reply)


def _peer(reply: Reply) -> Peer:
    from fdbrokerd.client.facts import Peer  # noqa: PLC0415

    return Peer(_plain(reply).object("peer"))


def _explanation(reply: Reply) -> Explanation:
    from fdbrokerd.client.facts import Explanation  # noqa: PLC0415

    return Explanation(_plain(reply))


def _items(reply: Reply) -> tuple[Item, ...]:
    from fdbrokerd.client.facts import Item  # noqa: PLC0415

    return tuple(Item(fields) for fields in _plain(reply).objects("items"))
