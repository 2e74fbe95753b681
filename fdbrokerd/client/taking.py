# SPDX-License-Identifier: MIT
"""What a Take hands over: a grant of an item that is reserved until it is decided."""

from __future__ import annotations

from fdbrokerd.client.grant import Grant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.link import Link


class Taking(Grant):
    """The descriptors of an item that nobody else can have: `commit` removes the item for good.

    Closing it without that gives the item back, and closes what is still here. The reservation is
    the connection's, which is this taking's own: it ends with this process too. On a connection
    that was inherited (fd:N) the item stays reserved until that one ends.
    """

    __slots__ = ("_link", "_transaction", "committed")

    def __init__(self, reply: Reply, link: Link) -> None:
        """Take the descriptors of a reply, and the link, over."""
        self._transaction = reply.fields.text("transaction")
        super().__init__(reply, link.release_quietly)
        self._link = link
        self.committed = False

    def commit(self) -> None:
        """Remove the item; a second commit does nothing.

        After an error nothing is certain but what the error says. If the connection is lost, it is
        made anew and the broker asked again.
        """
        if not self.committed:
            self._link.commit(self._transaction)
            self.committed = True

    def close(self) -> None:
        """Give the item back unless it was committed; close what is still here, end the lease."""
        try:
            super().close()
        finally:
            self._link.close()
