# SPDX-License-Identifier: MIT
"""What a connection asks of the server that it belongs to."""

import socket
from typing import Protocol, TypeVar

from fdbrokerd.exchange import Caller, Cancel, Reply
from fdbrokerd.messages import Call

Connected_contra = TypeVar("Connected_contra", contravariant=True)


class Owner(Protocol[Connected_contra]):
    """What a connection asks of the server that it belongs to."""

    def ready(self, connection: Connected_contra) -> None:
        """Give it a turn, fairly: a whole call waits."""
        ...

    def is_next(self, connection: Connected_contra) -> bool:
        """Tell whether it may have its turn at once, since nobody else waits for one."""
        ...

    def answer(self, caller: Caller, call: Call, reply: Reply) -> Cancel | None:
        """Answer a call; return what ends it where that may be long in coming."""
        ...

    def broken(self, connection: Connected_contra) -> None:
        """Close it: an exception that nobody expected came out of `answer`."""
        ...

    def hung_up(self, caller: Caller, reason: str) -> None:
        """Record that a peer broke the protocol."""
        ...

    def lingers(self, caller: Caller, connected: socket.socket) -> None:
        """Own what is left of a connection until its peer has read what it has, or is gone."""
        ...

    def closed(self, connection: Connected_contra) -> None:
        """Forget it."""
        ...
