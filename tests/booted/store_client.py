# SPDX-License-Identifier: MIT
"""A client that puts, replaces, takes and removes at random, and writes down what was confirmed."""

import json
import os
import random
import time
from collections import Counter

import fdbrokerd
from fdbrokerd.client import questions
from fdbrokerd.client.conversation import Reply
from fdbrokerd.client.grant import Grant
from fdbrokerd.client.link import Link
from fdbrokerd.client.offer import Offer
from fdbrokerd.errors import InvalidParameter

QUEUE = "slots/queue/"
"""Into which one puts, and from which another takes."""

NAMES = 4
LONG_QUEUE = 24
MAX_PARTS = 3
PAUSE_SECONDS = 0.002

LOST = (fdbrokerd.Unreachable, fdbrokerd.ProtocolError)


class Client:
    """One client. It asks until it knows of each Commit whether that has happened."""

    def __init__(self, number: int, seed: int, log: int) -> None:
        self._number = number
        self._random = random.Random(f"{seed}-{number}")  # noqa: S311
        self._log = log
        self._link: Link | None = None
        self._there: set[str] = set()
        self._put = 0
        self._last = -1
        self.counts: Counter[str] = Counter()
        self.longest_seconds = 0.0

    def act(self) -> None:
        """Do one thing, and look at how long it took and whether more came than was asked for."""
        started = time.monotonic()
        self._act()
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        if self._link is not None:
            try:
                twice = self._link.arrived(lambda reply: reply) is not None
            except LOST:
                self.lose("nothing")
            else:
                self.counts["answered twice"] += twice

    def _act(self) -> None:
        name = f"slots/c{self._number}/{self._random.randrange(NAMES)}"
        dice = self._random.random()
        if dice < 0.25:
            self._put += 1
            self.put(f"{QUEUE}{self._number}-{self._put}", replace=False)
        elif dice < 0.5:
            self.take_from_queue()
        elif name not in self._there or dice < 0.75:
            self.put(name, replace=name in self._there)
        elif dice < 0.9:
            self.take(name, commit=dice < 0.87)
        else:
            self.remove(name)

    def put(self, name: str, *, replace: bool) -> None:
        """Put new memory under a name, and sometimes what was put before once more."""
        parts = {f"p{n}": self._memory() for n in range(self._random.randint(1, MAX_PARTS))}
        if self._last >= 0 and self._random.random() < 0.2:
            parts["again"] = os.dup(self._last)  # noqa: TID251
        question = questions.put(
            name, list(parts), replace=replace, ttl_seconds=None, metadata={"by": str(os.getpid())}
        )
        committed = False
        while not committed:
            try:
                deposit = self.link.ask(*question)
                with deposit:
                    deposit.send(Offer(parts))
            except LOST:
                self.lose("put")
                continue
            committed = self.commit(deposit.transaction, "put")
        self.confirm("replace" if replace else "put", name, parts)
        if not name.startswith(QUEUE):
            self._there.add(name)
        if self._last >= 0:
            os.close(self._last)
        self._last = parts.pop("p0")
        for one in parts.values():
            os.close(one)

    def _memory(self) -> int:
        return os.memfd_create(f"client-{self._number}")

    def take_from_queue(self) -> None:
        """Take any item of anybody's, if there is one."""
        try:
            items = self.link.ask(*questions.list_items())
        except LOST:
            self.lose("list")
            return
        names = [item.name for item in items if item.name.startswith(QUEUE)]
        for _ in range(3 if len(names) > LONG_QUEUE else 1):
            if names:
                self.take(names.pop(self._random.randrange(len(names))), commit=True)

    def take(self, name: str, *, commit: bool) -> None:
        """Take an item, or get it and give it back."""
        try:
            transaction, grant = self.link.ask(*questions.take(name, None, _taken))
        except (fdbrokerd.NoSuchItem, fdbrokerd.Busy):
            return  # somebody else was faster
        except LOST:
            self.lose("take")
            return
        with grant:
            parts = {part: grant.fileno(part) for part in grant.names}
            if not commit:
                self.lose("given back")
            elif self.commit(transaction, "take"):
                self.confirm("take", name, parts)
                self._there.discard(name)

    def remove(self, name: str) -> None:
        """Remove an own item; asked again, it says that there is none."""
        while True:
            try:
                self.link.ask(*questions.remove(name))
            except fdbrokerd.NoSuchItem:
                pass
            except fdbrokerd.Busy:  # what was given back is noticed in a moment
                time.sleep(PAUSE_SECONDS)
                continue
            except LOST:
                self.lose("remove")
                continue
            break
        self.confirm("remove", name, {})
        self._there.discard(name)

    def commit(self, transaction: str, what: str) -> bool:
        """Commit, and ask until it is known whether that has happened."""
        while True:
            try:
                self.link.ask(*questions.commit(transaction))
            # The child that had what was put was killed: that is an answer, too.
            except (InvalidParameter, fdbrokerd.OpenFailed):
                self.counts[f"{what} not committed"] += 1
                return False
            except fdbrokerd.Busy:
                time.sleep(PAUSE_SECONDS)
            except LOST:
                self.lose(f"{what} in doubt")
            else:
                return True

    @property
    def link(self) -> Link:
        """Return the connection, a new one where it was lost."""
        if self._link is None:
            self._link = Link(None, 30.0, None)
        return self._link

    def lose(self, what: str) -> None:
        """Give up a connection."""
        self.counts[f"lost: {what}"] += 1
        if self._link is not None:
            self._link.close()
            self._link = None

    def confirm(self, what: str, name: str, parts: dict[str, int]) -> None:
        """Write down what was answered."""
        self.counts[what] += 1
        inodes = {part: os.fstat(number).st_ino for part, number in parts.items()}
        os.write(self._log, f"{json.dumps([what, name, inodes])}\n".encode())


def _taken(reply: Reply) -> tuple[str, Grant]:
    return reply.fields.text("transaction"), Grant(reply)
