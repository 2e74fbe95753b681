# SPDX-License-Identifier: MIT
"""A client that does everything that clients do, in a process and with a uid of its own."""

import os
import random
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.daemon.identity import User
from tests.daemon.items import send
from tests.daemon.wire import HungUp, Reply, Wire, call, message

from .count import ANY, Count, outcome
from .rules import BY_A_CHILD, REFUSED, SERVED, Known
from .victim import Victim

BURST = 8
"""Calls that are sent together."""

TIMEOUT_SECONDS = 20
"""A client that is not answered by then has been forgotten."""

MALFORMED: Sequence[bytes] = (
    b"nonsense\0",
    b"[]\0",
    b'{"method":"io.fdbroker.Broker.WhoAmI","method":"io.fdbroker.Broker.List"\0',
    b"\0",
    b"\xff\xfe\0",
    b"x" * 70_000,
    call("WhoAmI")[:-1],
)
"""Each ends its connection; the last one by its end."""


class Worker:
    """The client. `count` says what it did."""

    def __init__(self, address: str, seed: int, user: User) -> None:
        self.count = Count()
        self._address = address
        self._user = user
        self._dice = random.Random(seed)  # noqa: S311
        self._kept = Wire(address, user)
        self._serial = 0
        self._memory = os.memfd_create("soak")
        self._bell = os.eventfd(0)
        self._things: Sequence[tuple[float, Callable[[], None]]] = (
            (60, self.burst),
            (20, self.once_each),
            (6, self.refused),
            (4, self.by_a_child),
            (6, self.shared),
            (6, self.put_and_take),
            (2, self.put_and_remove),
            (2, self.lease),
            (2, self.malformed),
            (2, self.leave),
            (1, self.leave_what_was_begun),
            (1, self.leave_a_wait),
            (1, self.want_no_answer),
            (0.5, self.be_killed),
        )
        self._weights = [weight for weight, _ in self._things]

    def act(self) -> None:
        """Do one thing."""
        self._serial += 1
        ((_, thing),) = self._dice.choices(self._things, self._weights)
        self.count.what[thing.__name__] += 1
        thing()

    def burst(self) -> None:
        """Ask for several things at once on a connection that is kept."""
        known = self._dice.choices(SERVED, k=BURST)
        self._ask(self._kept, known)

    def refused(self) -> None:
        """Ask for what is not to be had."""
        self._ask(self._kept, self._dice.choices(REFUSED, k=BURST))

    def by_a_child(self) -> None:
        """Ask for what the daemon does not open itself."""
        self._ask(self._kept, [BY_A_CHILD])

    def once_each(self) -> None:
        """Ask on a connection of its own."""
        with self._connected() as wire:
            self._ask(wire, [self._dice.choice(SERVED)])

    def _ask(self, wire: Wire, known: Sequence[Known]) -> None:
        started = time.monotonic()
        wire.send(b"".join(one.data for one in known))
        for one in known:
            reply = wire.receive()
            if wrong := one.wrong(reply):
                self.count.wrong.append(wrong)
            self.count.note(one.method, one.resource, outcome(one.method, reply.error))
        self._answered(wire, started)

    def _call(self, wire: Wire, method: str, about: str, /, **parameters: object) -> Reply:
        started = time.monotonic()
        reply = wire.call(method, **parameters)
        self.count.note(method, about, outcome(method, reply.error))
        self.count.longest_seconds = max(self.count.longest_seconds, time.monotonic() - started)
        return reply

    def _answered(self, wire: Wire, started: float) -> None:
        """Look at the time it took, and that nothing more has come than was asked for."""
        self.count.longest_seconds = max(self.count.longest_seconds, time.monotonic() - started)
        wire.close_descriptors()
        if select.select([wire.socket], [], [], 0)[0]:
            self.count.wrong.append("answered twice, or hung up on")

    def _expect(self, reply: Reply, descriptors: int) -> None:
        if reply.error or len(reply.descriptors) != descriptors:
            self.count.wrong.append(f"{reply.raw!r}, {len(reply.descriptors)} descriptors")

    def _connected(self) -> Wire:
        wire = Wire(self._address, self._user)
        wire.socket.settimeout(TIMEOUT_SECONDS)
        return wire

    def _item(self, resource: str) -> str:
        return f"{resource}/{self._user.uid}-{self._serial}"

    def shared(self) -> None:
        """Have an item made, get it again, remove it."""
        resource = self._dice.choice(("memory", "bell"))
        item = self._item(resource)
        with self._connected() as wire:
            for connection in (self._kept, wire):
                self._expect(self._call(connection, "Get", item, resource=item), 1)
            self._expect(self._call(wire, "Remove", item, item=item), 0)
        self._kept.close_descriptors()

    def put_and_take(self) -> None:
        """Put an item, get it, take it: then it is gone."""
        item = self._item("slots")
        self._put(self._kept, item)
        self._expect(self._call(self._kept, "Get", item, resource=item), 1)
        reply = self._call(self._kept, "Take", item, item=item)
        self._expect(reply, 1)
        transaction = reply.parameters["transaction"]
        self._expect(self._call(self._kept, "Commit", item, transaction=transaction), 0)
        if self._call(self._kept, "Get", item, resource=item).error != "NoSuchItem":
            self.count.wrong.append(f"{item} was taken, and is there")
        self._kept.close_descriptors()

    def put_and_remove(self) -> None:
        """Put an item of two, and remove it."""
        item = self._item("slots")
        self._put(self._kept, item, self._memory, self._bell)
        self._expect(self._call(self._kept, "Remove", item, item=item), 0)

    def _put(self, wire: Wire, item: str, *numbers: int) -> None:
        numbers = numbers or (self._memory,)
        names = [f"d{at}" for at in range(len(numbers))]
        reply = self._call(wire, "Put", item, item=item, names=names)
        self._expect(reply, 1)
        send(reply.descriptors[0], numbers)
        wire.close_descriptors()
        transaction = reply.parameters["transaction"]
        self._expect(self._call(wire, "Commit", item, transaction=transaction), 0)

    def lease(self) -> None:
        """Get what is counted, and give it back."""
        reply = self._call(self._kept, "Get", "one-pty", resource="one-pty")
        self._expect(reply, 2)
        self._call(self._kept, "Release", "", grant=reply.parameters["grant"])
        self._kept.close_descriptors()

    def malformed(self) -> None:
        """Send what is no call, or a descriptor: hung up, with a record."""
        with self._connected() as wire:
            with suppress(BrokenPipeError, ConnectionResetError):
                wire.send(self._dice.choice(MALFORMED))
                wire.socket.shutdown(socket.SHUT_WR)
            if not wire.is_hung_up():
                self.count.wrong.append("malformed, and answered")
        self.count.note("", "", "hung-up")

    def leave(self) -> None:
        """Ask, and be gone when the answer comes."""
        resource = self._dice.choice(("left", "left-page"))
        with self._connected() as wire:
            wire.send(call("Get", resource=resource))
        self.count.note("Get", resource, ANY)

    def leave_what_was_begun(self) -> None:
        """Put and do not commit; take and do not commit: it is given back."""
        item = self._item("slots")
        with self._connected() as wire:
            reply = self._call(wire, "Put", item, item=item, names=["d0"])
            send(reply.descriptors[0], [self._memory])
        self._put(self._kept, item)
        with self._connected() as wire:
            self._expect(self._call(wire, "Take", item, item=item), 1)
        while (error := self._call(self._kept, "Remove", item, item=item).error) == "Busy":
            pass
        if error:
            self.count.wrong.append(f"{item} was given back, and Remove says {error}")

    def leave_a_wait(self) -> None:
        """Wait for what never comes, and leave."""
        with self._connected() as wire:
            wire.send(call("Get", resource="left-slots/never", waitUSec=2**40))
        self.count.note("Get", "left-slots", ANY)

    def want_no_answer(self) -> None:
        """Ask without wanting to know: nothing may come."""
        self._kept.send(message(method="io.fdbroker.Broker.WhoAmI", oneway=True))
        self.count.note("WhoAmI", "", "answered")
        self._ask(self._kept, [SERVED[0]])

    def be_killed(self) -> None:
        """Have a process that asks for things in a loop, and kill it."""
        victim = Victim(self._address, self._user, self._serial)
        victim.kill_after(self._dice.randint(1, 20), self._dice.uniform(0, 0.0005))
        self.count.killed_at_least += victim.answered
        self.count.killed_at_most += victim.begun
        for item in victim.items:
            self._remove_of_victim(item)

    def _remove_of_victim(self, item: str) -> None:
        """Remove what it may have left; nobody but us asks for it any more."""
        while True:
            self.count.killed_at_least += 1
            self.count.killed_at_most += 1
            error = self._kept.call("Remove", item=item).error
            if error not in {"", "Busy", "NoSuchItem"}:
                self.count.wrong.append(f"{item}: {error}")
            if error != "Busy":
                return

    def close(self) -> None:
        """End the connection; what is there unasked was too much."""
        with suppress(HungUp, BlockingIOError):
            self._kept.socket.setblocking(False)
            self.count.wrong.append(f"unasked: {self._kept.receive().raw!r}")
        self._kept.close()
        os.close(self._memory)
        os.close(self._bell)
