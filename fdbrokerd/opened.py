# SPDX-License-Identifier: MIT
"""What a kind opened: named descriptors on their way to a peer."""

import _socket
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from fdbrokerd.fd import OwnedFd, Rights, close_all


@cache
def _numbers(count: int) -> struct.Struct:
    """Return what packs so many descriptors; a grant has 253 at the most (SCM_MAX_FD)."""
    return struct.Struct(f"{count}i")


def rights(descriptors: Sequence[OwnedFd]) -> Rights:
    """Return borrowed descriptors as sendmsg(2) attaches them."""
    if not descriptors:
        return []
    packed = _numbers(len(descriptors)).pack(*[one.fileno() for one in descriptors])
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]


class Opened:
    """Descriptors in the order they will be sent, their names, and what the kind knows of them.

    Owns the descriptors until `close`, which is called on every path: what was sent is a duplicate
    made by the kernel (unix(7)). `afterwards` is what remains to be done when they have been sent;
    it may take as long as it likes, so only what is opened in a child has it.
    """

    __slots__ = ("afterwards", "descriptors", "names", "properties", "rights")

    def __init__(
        self,
        descriptors: Mapping[str, OwnedFd],
        properties: Mapping[str, str] | None = None,
        afterwards: Callable[[], None] | None = None,
    ) -> None:
        self.names = tuple(descriptors)
        self.descriptors = tuple(descriptors.values())
        self.properties = properties or {}
        self.afterwards = afterwards
        self.rights = rights(self.descriptors)

    def close(self) -> None:
        """Close every descriptor; a second close does nothing."""
        close_all(self.descriptors)
