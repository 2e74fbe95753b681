# SPDX-License-Identifier: MIT
"""Putting, getting and taking items by hand; and a daemon that is as before after each test."""

import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from fdbrokerd.fd import OwnedFd

from .broker import RunningBroker
from .identity import User
from .process import wait_until
from .wire import Reply, Wire, call, message

ROOT, PERSON, OTHER, THIRD = User(), User(1000), User(1001), User(1002)
FOR_EVER = 2**63 - 1


def socket_of(number: int) -> socket.socket:
    """Return a copy of a borrowed descriptor as a socket."""
    return socket.socket(fileno=OwnedFd.copy_of(number).detach())


def send(deposit: int, descriptors: Sequence[int], data: bytes = b"x") -> None:
    """Send a message over a deposit socket, which stays open."""
    with socket_of(deposit) as sending:
        socket.send_fds(sending, [data], descriptors)  # noqa: TID251 (a client that knows no better)


def begin(wire: Wire, item: str, *descriptors: int, **more: Any) -> str:
    """Put, and send these over the deposit socket; return the transaction."""
    names = more.pop("names", [f"d{at}" for at in range(len(descriptors))])
    reply = wire.call("Put", item=item, names=names, **more)
    assert reply.error == "", reply.raw
    (deposit,) = reply.descriptors
    if descriptors:
        send(deposit, descriptors)
    wire.close_descriptors()
    return str(reply.parameters["transaction"])


def put(wire: Wire, item: str, *descriptors: int, **more: Any) -> Reply:
    """Put an item whole; return what the Commit says."""
    return wire.call("Commit", transaction=begin(wire, item, *descriptors, **more))


def put_as(broker: RunningBroker, user: User, item: str, *descriptors: int, **more: Any) -> str:
    """Put an item on a connection of its own; return the error, "" for none."""
    with Wire(broker.address, user) as wire:
        reply = wire.call(
            "Put", item=item, names=[f"d{at}" for at in range(len(descriptors))], **more
        )
        if reply.error:
            return reply.error
        send(reply.descriptors[0], descriptors)
        return wire.call("Commit", transaction=reply.parameters["transaction"]).error


def put_eventfd(broker: RunningBroker, item: str, user: User = PERSON, **more: Any) -> None:
    """Put something, whatever it is."""
    with an_eventfd() as one:
        assert put_as(broker, user, item, one.fileno(), **more) == ""


def ask(broker: RunningBroker, user: User, method: str, **parameters: Any) -> Reply:
    """Ask on a connection of its own; whatever comes with the answer is closed."""
    with Wire(broker.address, user) as wire:
        return wire.call(method, **parameters)


def error(broker: RunningBroker, user: User, method: str, **parameters: Any) -> str:
    """Return the error of the answer, "" for none."""
    return ask(broker, user, method, **parameters).error


def names(broker: RunningBroker, user: User = PERSON) -> list[str]:
    """Return the items that a user sees."""
    items = ask(broker, user, "List").parameters["items"]
    return [one["name"] for one in items if "/" in one["name"]]


def listed(broker: RunningBroker, item: str, user: User = PERSON) -> dict[str, Any]:
    """Return what a user is told of an item."""
    items = ask(broker, user, "List").parameters["items"]
    (found,) = (one for one in items if one["name"] == item)
    return dict(found)


def waiting(wire: Wire, method: str, **parameters: Any) -> Wire:
    """Send a call that is to wait, and return when the broker has it."""
    wire.send(call(method, **parameters))
    return wire


def streaming(wire: Wire, resource: str) -> Wire:
    """Begin to watch."""
    wire.send(
        message(method="io.fdbroker.Broker.Watch", parameters={"resource": resource}, more=True)
    )
    return wire


def told(wire: Wire, count: int) -> list[str]:
    """Return so many events that a watch tells."""
    events = []
    for _ in range(count):
        reply = wire.receive()
        assert reply.error == "", reply.raw
        assert b'"continues":true' in reply.raw
        events.append(f"{reply.parameters['event']} {reply.parameters['resource']}")
    return events


def an_eventfd() -> OwnedFd:
    """Return something to put."""
    return OwnedFd(os.eventfd(0, os.EFD_CLOEXEC))


def a_pipe() -> tuple[OwnedFd, OwnedFd]:
    """Return both ends."""
    read, write = os.pipe2(os.O_CLOEXEC)
    return OwnedFd(read), OwnedFd(write)


def same(one: int, other: int) -> bool:
    """Tell whether two descriptors are of one inode, or two eventfds one counter."""
    if (os.fstat(one).st_dev, os.fstat(one).st_ino) != (
        os.fstat(other).st_dev,
        os.fstat(other).st_ino,
    ):
        return False
    return _counter(one) == _counter(other)


def _counter(number: int) -> str:
    with open(f"/proc/self/fdinfo/{number}") as file:
        return "".join(line for line in file if line.startswith("eventfd-id"))


def held(pid: int) -> Counter[str]:
    """Return what a daemon has open, but for its children: a socket and a pidfd for each."""
    found: Counter[str] = Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            link = os.readlink(f"/proc/{pid}/fd/{number}")
            found[link if link.startswith("anon_inode:") else link.partition("[")[0]] += 1
    found["socket:"] -= found.pop("anon_inode:[pidfd]", 0)
    return found


def at_rest(broker: RunningBroker, wire: Wire) -> Counter[str]:
    """Return what it has open when nobody else is connected any more; `wire` is of root."""
    wait_until(lambda: _connections(wire) == 1, "all connections to end")
    return held(broker.pid)


def _at_rest(broker: RunningBroker) -> Counter[str]:
    with Wire(broker.address) as wire:
        return at_rest(broker, wire)


def _connections(wire: Wire) -> int:
    return int(wire.call("io.fdbroker.Manager.Status").parameters["connections"])


@contextmanager
def unchanged(broker: RunningBroker, *stores: str) -> Iterator[RunningBroker]:
    """Lend a daemon; what is in these stores is removed, and nothing else may be left of it.

    Root may list and remove in all of them.
    """
    before = _at_rest(broker)
    broker.forget()
    yield broker
    for name in names(broker, ROOT):
        if name.partition("/")[0] in stores:
            wait_until(lambda name=name: _removed(broker, name), f"{name} to be given back")  # type: ignore[misc]
    wait_until(lambda: _at_rest(broker) == before, f"what it had open: {before}")
    assert broker.status()["store"]["items"] == 0


def _removed(broker: RunningBroker, name: str) -> bool:
    return error(broker, ROOT, "Remove", item=name) in {"", "NoSuchItem"}
