# SPDX-License-Identifier: MIT
"""A store without a broker: a loop that turns when a test says so, and a keeper that it drives."""

import os
import select
import socket
from collections.abc import Callable, Hashable, Iterable, Mapping
from errno import EIO
from time import monotonic
from types import MappingProxyType
from typing import Any

from fdbrokerd.errors import CallError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import bucket, same_file
from fdbrokerd.model.holding import Holding
from fdbrokerd.store.alarm import Alarm, now_ns
from fdbrokerd.store.arrivals import Given
from fdbrokerd.store.hangups import Hangups
from fdbrokerd.store.held import Held
from fdbrokerd.store.item import Item
from fdbrokerd.store.store import Store
from fdbrokerd.store.table import Table
from fdbrokerd.store.watching import Event

Then = Callable[[OSError | None], None]
PATIENCE = 20.0
"""Seconds; waited for in full only where a test fails."""

NOTHING: Mapping[str, str] = MappingProxyType({})


class Loop:
    """What is watched, and a turn when it is wanted."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}

    def watch(self, number: int, callback: Callable[[], None]) -> None:
        self.watched[number] = callback

    def unwatch(self, number: int) -> None:
        del self.watched[number]

    def turn(self, seconds: float = 0) -> bool:
        """Call whom something has come for; tell whether there was anybody."""
        poll = select.poll()
        for number in self.watched:
            poll.register(number, select.POLLIN)
        ready = poll.poll(seconds * 1000)
        for number, _ in ready:
            if number in self.watched:
                self.watched[number]()
        return bool(ready)

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn until it holds."""
        end = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < end, "waited in vain"
            self.turn(end - monotonic())


class Keeper:
    """A service manager that is as slow, or as broken, as a test wants it."""

    def __init__(self, *, durable: bool = True, room: int = 100) -> None:
        self.durable = durable
        self.room = room
        self.stored: dict[str, int] = {}
        """The inode of each by its name."""
        self.said: list[str] = []
        self.slow: list[tuple[str, int, Then]] | None = None
        self.failing: set[str] = set()
        self.on_drop: Callable[[], None] = lambda: None

    def keep(self, name: str, descriptor: int, then: Then) -> None:
        if self.slow is not None:
            self.slow.append((name, descriptor, then))
            return
        self.said.append(f"keep {name}")
        if name in self.failing:
            then(OSError(EIO, "the manager is gone"))
            return
        self.stored[name] = os.fstat(descriptor).st_ino
        then(None)

    def drop(self, name: str) -> None:
        self.on_drop()
        self.said.append(f"drop {name}")
        self.stored.pop(name, None)

    def go_on(self) -> None:
        """Do what was asked while it was slow."""
        waiting, self.slow = self.slow or [], None
        for one in waiting:
            self.keep(*one)


class Shelf:
    """A store, what it stands on, and what became of it."""

    def __init__(
        self,
        keeper: Keeper | None = None,
        same: Callable[[int, int], bool | None] = same_file,
        bucket_of: Callable[[int], Hashable] = bucket,
        **holding: Any,
    ) -> None:
        self.loop = Loop()
        self.keeper = keeper or Keeper()
        self.holding = Holding(**holding)
        self.dismissed: list[int] = []
        self.table = Table.create() if self.keeper.durable else Table.in_memory()
        self.hangups = Hangups(self.loop.watch, self.loop.unwatch)
        self.held = Held(self.keeper, self.dismiss, same, bucket_of, self.hangups.forget)
        alarm = Alarm(self.loop.watch, self.loop.unwatch)
        self.store = Store(
            self.table, self.held, self.hangups, alarm, lambda _: self.holding, self.keeper.room
        )
        self.events: list[str] = []
        self.store.watching.add("s", self._tell)

    def _tell(self, event: Event, name: str) -> None:
        self.events.append(f"{event.value} {name}")

    def dismiss(self, descriptors: Iterable[OwnedFd]) -> None:
        """Close, as a child would, and remember what."""
        owned = list(descriptors)
        self.dismissed += [os.fstat(one.fileno()).st_ino for one in owned]
        close_all(owned)

    def begin(
        self,
        name: str,
        *descriptors: OwnedFd,
        owner: int = 7,
        replace: bool = False,
        seconds: float | None = None,
        metadata: Mapping[str, str] = NOTHING,
        over: Callable[[Item], None] = lambda _: None,
    ) -> list[Item | CallError]:
        """Put an item; return where its outcome will be."""
        now = now_ns()
        expires = None if seconds is None else now + int(seconds * 1e9)
        item = Item(name, owner, now, expires, dict(metadata), (), f"put {name} {now}")
        given = [Given(f"p{at}", one, "pipe", "") for at, one in enumerate(descriptors)]
        outcomes: list[Item | CallError] = []
        self.store.put(item, given, self.holding, outcomes.append, replace=replace, over=over)
        return outcomes

    def put(self, name: str, *descriptors: OwnedFd, **more: Any) -> Item:
        """Put an item that is taken at once."""
        (item,) = self.begin(name, *descriptors, **more)
        assert isinstance(item, Item), item
        return item

    def refused(self, name: str, *descriptors: OwnedFd, **more: Any) -> CallError:
        """Put one that is not taken."""
        (error,) = self.begin(name, *descriptors, **more)
        assert isinstance(error, CallError)
        return error

    def wait(self, name: str, again: Callable[[], bool]) -> Callable[[], None]:
        return self.store.waiting.add(name, again)

    def close(self) -> None:
        self.store.close()
        assert not self.loop.watched


def a_pipe() -> tuple[OwnedFd, OwnedFd]:
    """Return both ends."""
    read, write = os.pipe2(os.O_CLOEXEC)
    return OwnedFd(read), OwnedFd(write)


def a_pair() -> tuple[OwnedFd, OwnedFd]:
    """Return both ends of a socket pair."""
    one, other = socket.socketpair()
    return OwnedFd(one.detach()), OwnedFd(other.detach())


def an_eventfd() -> OwnedFd:
    """Return something to hold."""
    return OwnedFd(os.eventfd(0, os.EFD_CLOEXEC))


def inode(one: OwnedFd) -> int:
    return os.fstat(one.fileno()).st_ino
