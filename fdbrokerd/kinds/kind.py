# SPDX-License-Identifier: MIT
"""What the rest of the broker knows of a kind."""

from collections.abc import Mapping
from typing import Any, Protocol

from fdbrokerd.model.argument import Argument
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.key import Key, Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened


class WouldBlock(Exception):
    """Opening must go on in a child: it left the file systems that are known not to hang."""


class Kind(Protocol):
    """A sort of thing: its keys in the rules, its arguments, and how it is opened.

    It never decides whether it should.
    """

    name: str
    verbs: frozenset[str]
    keys: Mapping[str, Key]
    arguments: Mapping[str, Argument]
    descriptors: tuple[str, ...]
    """The names of what one grant hands over, in order."""
    many: bool
    """Whether one request may ask for several (`count`): their names are numbered then."""

    def spec(self, values: Values, arguments: frozenset[str]) -> object:
        """Return the resource's specification from its keys and the names of its arguments.

        Raises KeyRefused. The value is handed back to `may_block` and `open` and must pickle: it
        may be opened in a child.
        """
        ...

    def may_block(self, spec: Any) -> bool:
        """Tell whether opening may wait for something that this machine's root does not control."""
        ...

    def holding(self, spec: Any) -> Holding | None:
        """Return how it holds items, RESOURCE/ITEM; None for a kind that knows none.

        Where it `makes`, a Get of an item that is not there opens it, and holds what was opened.
        """
        ...

    def wanted(self, request: Request) -> frozenset[str] | None:
        """Return which of the descriptors of an item are handed over for a request; None: all.

        `open` makes all of them, whatever is wanted: the others are held for other requests.
        """
        ...

    def open(
        self,
        spec: Any,
        request: Request,
        peer: Peer,
        *,
        may_wait: bool,
    ) -> Opened:
        """Open it; the caller owns what is returned. `may_wait`: this is a child with a deadline.

        Raises CallError for what the peer should know, OSError for what the system says, and
        WouldBlock when it turns out on the way that it may block after all.
        """
        ...
