# SPDX-License-Identifier: MIT
"""Where held descriptors are kept, and what was kept there."""

import resource
import socket
from collections.abc import Callable, MutableMapping

from msgspec import Struct, field

from fdbrokerd.fdstore import DescriptorStore, NoStore, room
from fdbrokerd.server.kept import Kept
from fdbrokerd.store.held import Keeper

_SHARE = 4
"""Of the descriptors that the process may have, a quarter at the most is held for others; more are
needed for connections, and for what is on its way."""


class Keeping(Struct, frozen=True):
    """For how many descriptors the service manager has room, none without one, and what it kept."""

    room: int = 0
    kept: Kept = field(default_factory=Kept)

    @classmethod
    def of(cls, environment: MutableMapping[str, str], kept: Kept) -> "Keeping":
        """Return what the environment says; before NOTIFY_SOCKET is taken out of it."""
        return cls(room(environment), kept)

    def keeper(
        self,
        notify: socket.socket | None,
        wait: Callable[[socket.socket, Callable[[], None]], object],
        leave: Callable[[socket.socket], object],
    ) -> Keeper:
        """Return who keeps copies: the service manager by its socket, or nobody."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if notify is None or not self.room:
            return NoStore(most // _SHARE)
        return DescriptorStore(notify, min(self.room, most // _SHARE), wait, leave)
