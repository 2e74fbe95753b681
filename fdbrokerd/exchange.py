# SPDX-License-Identifier: MIT
"""One call and its answer, between a connection and the broker."""

from collections.abc import Callable

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.rule import covered
from fdbrokerd.opened import Opened


class Caller(Struct, frozen=True, eq=False):
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


class Answer:
    """What goes back: bytes, and the descriptors to attach, owned here.

    `delivered` is told once what became of it. `continues`: more answers to the same call follow.
    """

    __slots__ = ("continues", "data", "opened")

    def __init__(
        self, data: bytes, opened: Opened | None = None, *, continues: bool = False
    ) -> None:
        self.data = data
        self.opened = opened
        self.continues = continues

    @property
    def descriptors(self) -> tuple[OwnedFd, ...]:
        """Return the descriptors to attach."""
        return () if self.opened is None else self.opened.descriptors

    def delivered(self, failure: str = "") -> None:  # noqa: ARG002
        """Close the descriptors, whether they went or not; `failure` says why they did not."""
        if self.opened is not None:
            self.opened.close()

    def instead(self, errno: int) -> "Answer | None":  # noqa: ARG002
        """Return the answer for a peer that the kernel gives no descriptors to."""
        return None


class Awaited(Answer):
    """An answer of which somebody wants to know how it went."""

    __slots__ = ("_then",)

    def __init__(
        self,
        data: bytes,
        then: Callable[[str], None],
        opened: Opened | None = None,
        *,
        continues: bool = False,
    ) -> None:
        super().__init__(data, opened, continues=continues)
        self._then = then

    def delivered(self, failure: str = "") -> None:
        """Close the descriptors, and tell."""
        super().delivered(failure)
        self._then(failure)


Reply = Callable[[Answer], None]

Cancel = Callable[[], None]
"""Ends a call that is long in coming, because nobody is there any more to be answered."""
