# SPDX-License-Identifier: MIT
"""What the broker asks of its children: whatever may take long, or may be dangerous to touch."""

from collections.abc import Callable
from typing import Protocol

from fdbrokerd.errors import CallError
from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds import WouldBlock, kind_of
from fdbrokerd.opened import Opened
from fdbrokerd.opener.child import Job, open_now
from fdbrokerd.opener.intake import Intake, Received


class Children(Protocol):
    """Each raises CallError where there is no child for it, and else calls `done` once, later."""

    def open(self, job: Job, done: Callable[[Opened | CallError], None]) -> None:
        """Open what may block."""
        ...

    def look_up(self, uid: int, done: Callable[[str | CallError | None], None]) -> None:
        """Ask the name service for a user's name."""
        ...

    def intake(
        self, job: Intake, deposit: OwnedFd, done: Callable[[Received | CallError], None]
    ) -> None:
        """Receive and judge what a peer puts; owns the deposit unless it raises."""
        ...

    def drain(self, deposit: OwnedFd, uid: int) -> None:
        """Have a user's deposit closed, with what is in it. Never raises, and tells nobody."""
        ...


def open_somewhere(
    job: Job, children: Children, done: Callable[[Opened | CallError], None]
) -> None:
    """Open it here, or in a child where it may block; `done` is called once, now or later."""
    try:
        if not kind_of(job.kind).may_block(job.spec):
            try:
                opened = open_now(job, may_wait=False)
            except WouldBlock:
                pass  # it left the file systems that cannot hang
            else:
                done(opened)
                return
        children.open(job, done)
    except CallError as error:
        done(error)
