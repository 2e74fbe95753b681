# SPDX-License-Identifier: MIT
"""One call and its answer, between a connection and the broker."""

from collections.abc import Callable
from dataclasses import dataclass

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.rule import covered
from fdbrokerd.opened import Opened


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who asks, through which door. One for each connection, and equal to no other.

    `scope` are the resources that the listener serves, None for all. `process_of` returns a pidfd
    of the process, which the receiver owns.
    """

    peer: Peer
    process_of: Callable[[], OwnedFd]
    scope: tuple[str, ...] | None = None

    def sees(self, resource: str) -> bool:
        """Tell whether the listener serves the resource."""
        return self.scope is None or covered(resource, self.scope)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a peer may take, in seconds."""

    message: float
    """From the first byte of a message to its last."""
    reply: float
    """Until a reply is read."""


class Answer:
    """What goes back: bytes, the descriptors to attach, and who is told how it went.

    `delivered` is told once what became of it; then the descriptors here are closed, whether they
    went or not. `instead` makes the answer for a peer that the kernel gives no descriptors to.
    `continues`: more answers to the same call will follow.
    """

    __slots__ = ("_delivered", "continues", "data", "instead", "opened")

    def __init__(
        self,
        data: bytes,
        delivered: Callable[[str], None],
        opened: Opened | None = None,
        instead: "Callable[[int], Answer] | None" = None,
        *,
        continues: bool = False,
    ) -> None:
        self.data = data
        self.continues = continues
        self.opened = opened
        self.instead = instead
        self._delivered = delivered

    @property
    def descriptors(self) -> tuple[OwnedFd, ...]:
        """Return the descriptors to attach, owned by this answer."""
        return () if self.opened is None else self.opened.descriptors

    def delivered(self, failure: str = "") -> None:
        """Close the descriptors and finish the record; `failure` says why the peer has nothing."""
        if self.opened is not None:
            self.opened.close()
        self._delivered(failure)


Reply = Callable[[Answer], None]

Cancel = Callable[[], None]
"""Ends a call that is long in coming, because nobody is there any more to be answered."""
