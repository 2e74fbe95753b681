# SPDX-License-Identifier: MIT
"""A pool with real children, and peers that put descriptors into deposits."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING

from fdbrokerd.errors import CallError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import Own
from fdbrokerd.model.holding import TYPES
from fdbrokerd.opener import Intake, Pool, Received
from fdbrokerd.opener.child import serve
from tests.core.bench import Bench
from tests.core.made import USER
from tests.core.test_zygote import a_zygote

if TYPE_CHECKING:
    import asyncio

ALL = frozenset(TYPES)
ELSEWHERE = Own(1, frozenset({"@fdbrokerd-nobody"}))

Outcome = Received | CallError


class Deposit:
    """A deposit socket: the peer's end, and ours until it is handed over."""

    def __init__(self) -> None:
        self.peer, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = OwnedFd(ours.detach())

    def put(self, *numbers: int, data: bytes = b"x") -> None:
        """Send a message with descriptors, as a peer does."""
        socket.send_fds(self.peer, [data], numbers)  # noqa: TID251 (a client that knows no better)

    def close(self) -> None:
        self.peer.close()
        self.ours.close()


class Desk(Bench):
    """A bench that also takes in."""

    def begin(
        self, deposit: Deposit, *names: str, uid: int = USER, **more: object
    ) -> list[Outcome]:
        """Begin an intake; return where its outcome will be."""
        wants: dict[str, object] = {
            "accept": ALL,
            "seals": frozenset(),
            "read_only": False,
            "own": ELSEWHERE,
        }
        job = Intake(names=names, uid=uid, item="store/item", **(wants | more))  # type: ignore[arg-type]
        outcome: list[Outcome] = []
        self.pool.intake(job, deposit.ours, outcome.append)
        return outcome

    def take_in(self, deposit: Deposit, *names: str, **more: object) -> Outcome:
        """Take in, and wait for the outcome."""
        outcome = self.begin(deposit, *names, **more)  # type: ignore[arg-type]
        self.until(lambda: outcome)
        return outcome[0]

    def put(self, *descriptors: OwnedFd, **more: object) -> Outcome:
        """Send these, closed here, and take them in under the names n0, n1 and so on."""
        deposit = Deposit()
        deposit.put(*(one.fileno() for one in descriptors))
        close_all(descriptors)
        try:
            return self.take_in(deposit, *(f"n{at}" for at in range(len(descriptors))), **more)
        finally:
            deposit.close()

    @contextmanager
    def turning(self) -> Iterator[list[float]]:
        """Measure how long the loop ever was from one turn to the next."""
        longest = [0.0]
        last = monotonic()
        timer: asyncio.TimerHandle | None = None

        def tick() -> None:
            nonlocal last, timer
            now = monotonic()
            longest[0] = max(longest[0], now - last)
            last = now
            timer = self.loop.call_later(0.005, tick)

        tick()
        yield longest
        assert timer is not None
        timer.cancel()


@contextmanager
def a_desk(loops: str = "asyncio") -> Iterator[Desk]:
    """Open one, on a new loop of this module."""
    with a_zygote(serve) as (zygote, _):
        loop = import_module(loops).new_event_loop()
        pool = Pool(zygote, loop)
        try:
            yield Desk(pool, loop)
        finally:
            pool.close()
            loop.close()


def an_eventfd() -> OwnedFd:
    return OwnedFd(os.eventfd(0, os.EFD_CLOEXEC))
