# SPDX-License-Identifier: MIT
"""What a Get hands over: descriptors by name, and what the broker says of them."""

from __future__ import annotations

import builtins
from posix import get_blocking

from fdbrokerd.fd import OwnedFd, close_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import IO, Any, Self

    from fdbrokerd.client.conversation import Reply


class Grant:
    """Descriptors, owned here until they are closed, detached or opened.

    `id` names the lease, and is empty where the broker keeps none. Closing the grant ends the
    lease, unless a descriptor was taken out: then the thing is still in use, and the lease lasts
    until the process ends or `Client.release` is called.
    """

    __slots__ = (
        "_descriptors",
        "_release",
        "_taken",
        "id",
        "kind",
        "properties",
        "reply",
        "resource",
        "revocable",
    )

    def __init__(self, reply: Reply, release: Callable[[str], None] | None = None) -> None:
        """Take the descriptors of a reply over. Raises DescriptorsMissing or ProtocolError."""
        self.id = reply.fields.text("grant")
        self.resource = reply.fields.text("resource")
        self.kind = reply.fields.text("kind")
        self.properties: Mapping[str, str] = reply.fields.texts("properties")
        self.revocable = reply.fields.flag("revocable")
        self.reply = reply.fields.values
        """The parameters of the reply as they came."""
        self._release = release
        self._taken = False
        self._descriptors = reply.take_descriptors()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the descriptors, in the order in which they came."""
        return tuple(self._descriptors)

    def descriptor(self, name: str | None = None) -> OwnedFd:
        """Return a descriptor, still owned here. The name may be left out where there is one only.

        Raises LookupError.
        """
        if name is None:
            if len(self._descriptors) != 1:
                raise LookupError(f"say which descriptor: {', '.join(self._descriptors)}")
            (only,) = self._descriptors.values()
            return only
        if name not in self._descriptors:
            raise LookupError(f"no descriptor {name!r}: {', '.join(self._descriptors)}")
        return self._descriptors[name]

    def __getitem__(self, name: str) -> OwnedFd:
        return self.descriptor(name)

    def fileno(self, name: str | None = None) -> int:
        """Return a descriptor's number, still owned here."""
        return self.descriptor(name).fileno()

    def detach(self, name: str | None = None) -> int:
        """Return a descriptor's number and give up the duty to close it."""
        number = self.descriptor(name).detach()
        self._taken = True
        return number

    def open(
        self, mode: str = "r", name: str | None = None, *, encoding: str | None = None
    ) -> IO[Any]:
        """Return a file object that takes the descriptor over; nothing is truncated.

        The file object closes it, also where making the object fails.
        """
        # By an opener, because open(number) does not say on an error whether it has closed it.
        return builtins.open(
            self.resource, mode, encoding=encoding, opener=lambda _path, _flags: self.detach(name)
        )

    def socket(self, name: str | None = None) -> socket.socket:
        """Return a socket object that takes the descriptor over.

        OSError where it is no socket; then it stays here.
        """
        from socket import socket  # noqa: PLC0415 (most who get something need none)

        descriptor = self.descriptor(name)
        made = socket(fileno=descriptor.fileno())
        if not get_blocking(descriptor.fileno()):  # which all who have it share
            made.setblocking(False)
        descriptor.detach()
        self._taken = True
        return made

    def close(self) -> None:
        """Close what is still here and end the lease; a second close does nothing."""
        self.close_descriptors()
        release, self._release = self._release, None
        if release is not None and self.id and not self._taken:
            release(self.id)

    def close_descriptors(self) -> None:
        """Close what is still here and leave the lease alone."""
        close_all(self._descriptors.values())

    @property
    def leased(self) -> bool:
        """Tell whether there is a lease that ends with this grant."""
        return bool(self.id) and not self._taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.resource!r}: {', '.join(self._descriptors)}>"
