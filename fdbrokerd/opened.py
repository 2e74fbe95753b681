# SPDX-License-Identifier: MIT
"""What a kind opened: named descriptors on their way to a peer."""

from collections.abc import Callable, Mapping

from fdbrokerd.fd import OwnedFd, close_all


class Opened:
    """Descriptors in the order they will be sent, their names, and what the kind knows of them.

    Owns the descriptors until `close`, which is called on every path: what was sent is a duplicate
    made by the kernel (unix(7)). `afterwards` is what remains to be done when they have been sent;
    it may take as long as it likes, so only what is opened in a child has it.
    """

    __slots__ = ("afterwards", "descriptors", "names", "properties")

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

    def close(self) -> None:
        """Close every descriptor; a second close does nothing."""
        close_all(self.descriptors)
