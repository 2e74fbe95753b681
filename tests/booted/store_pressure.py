# SPDX-License-Identifier: MIT
"""Many puts at the same moment, and puts that a manager keeps waiting."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import fdbrokerd
from fdbrokerd.client import questions
from fdbrokerd.client.link import Link
from fdbrokerd.client.offer import Offer

WAVE, USERS = 16, 4
"""As many as the broker receives at once, and as many users as it takes for that."""

WAITS_SECONDS = 1.0
"""A Commit that is not answered in this time waits for something: one takes a few milliseconds."""


class Putting:
    """A Put whose descriptor is on its way, on a connection of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.link = Link(None, 45.0, None)
        question = questions.put(name, ["fd"], replace=False, ttl_seconds=None, metadata=None)
        memory = os.memfd_create("putting")
        try:
            deposit = self.link.ask(*question)
            with deposit:
                deposit.send(Offer(memory))
        finally:
            os.close(memory)
        self.transaction = deposit.transaction

    def commit(self) -> None:
        """Send the Commit, and do not wait."""
        method, parameters, _ = questions.commit(self.transaction)
        self.link.begin(method, parameters)

    def outcome(self, deadline: float) -> str:
        """Return the name of the error, or nothing."""
        try:
            self.link.next(questions.commit("")[2], deadline)
        except fdbrokerd.LimitReached as error:
            return f"LimitReached {error.limit}"
        finally:
            self.link.close()
        return ""


def fill_up(pid: int, store: str, count: int) -> dict[str, str]:
    """Commit many at the same moment: each of them alone would fit."""
    begun: list[Putting] = []
    for number in range(count):
        with _as_user(number):
            begun.append(Putting(f"{store}/{number}"))
    outcomes: dict[str, str] = {}
    while begun:
        wave, begun = begun[:WAVE], begun[WAVE:]
        # Stopped meanwhile it finds them all at once, and looks at each before one is held.
        os.kill(pid, signal.SIGSTOP)
        for number, putting in enumerate(wave):
            with _as_user(number):
                putting.commit()
        os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + 30
        outcomes |= {one.name: one.outcome(deadline) for one in wave}
    return outcomes


@contextmanager
def _as_user(number: int) -> Iterator[None]:
    """Be one of the users; the broker hangs up on who does not write as who has connected."""
    user = 2000 + number % USERS
    os.setresuid(user, user, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def stuff(store: str) -> tuple[int, list[Putting], list[str]]:
    """Put until a Commit waits, and some more; get others meanwhile.

    Return how many were committed, which were not answered at once, and who waits at the end.
    """
    committed, waiting = list[str](), list[Putting]()
    with fdbrokerd.Client() as broker:
        while not waiting:
            putting = Putting(f"{store}/{len(committed)}")
            putting.commit()
            if select.select([putting.link], [], [], WAITS_SECONDS)[0]:
                assert putting.outcome(time.monotonic() + 1) == ""
                committed.append(putting.name)
            else:
                waiting.append(putting)
        for number in range(3):
            waiting.append(Putting(f"{store}/waits-{number}"))
            waiting[-1].commit()
        for name in committed[:50]:
            broker.get(name).close()
    still = [one.name for one in waiting if not select.select([one.link], [], [], 0)[0]]
    return len(committed), waiting, still
