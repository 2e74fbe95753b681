# SPDX-License-Identifier: MIT
"""A pool of openers, with a loop that the test turns."""

import asyncio
from collections.abc import Callable

import pytest

from fdbrokerd.errors import CallError
from fdbrokerd.opened import Opened
from fdbrokerd.opener import pool as module
from fdbrokerd.opener.child import Job
from fdbrokerd.opener.pool import Pool

from .made import USER, a_peer, a_request
from .processes import PATIENCE

Outcome = Opened | CallError


class Bench:
    """A pool with its loop."""

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.loop = loop
        self.outcomes: list[Outcome] = []

    def start(self, kind: str, spec: object, uid: int = USER, **arguments: str) -> list[Outcome]:
        """Begin to open something; only what hangs is given up soon. Return where it will be."""
        outcome: list[Outcome] = []

        def done(of: Outcome) -> None:
            outcome.append(of)
            self.outcomes.append(of)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "DEADLINE_SECONDS", 0.05 if spec == "hang" else PATIENCE)
            self.pool.open(Job(kind, spec, a_request("thing", 1, **arguments), a_peer(uid)), done)
        return outcome

    def until(self, condition: Callable[[], object]) -> None:
        """Turn the loop until something is so."""
        end = self.loop.time() + PATIENCE

        def look() -> None:
            if condition() or self.loop.time() > end:
                self.loop.stop()
            else:
                self.loop.call_later(0.001, look)

        look()
        self.loop.run_forever()
        assert condition(), "it never became so"

    def open(self, kind: str, spec: object, uid: int = USER, **arguments: str) -> Outcome:
        outcome = self.start(kind, spec, uid, **arguments)
        self.until(lambda: outcome)
        return outcome[0]

    def pid(self, spec: str = "ok") -> int:
        """Open something, and return the pid of the child that did."""
        made = self.open("strange", spec)
        assert isinstance(made, Opened)
        made.close()
        return int(made.properties["pid"])
