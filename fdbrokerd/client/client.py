# SPDX-License-Identifier: MIT
"""The blocking client."""

from __future__ import annotations

from fdbrokerd.client import questions
from fdbrokerd.client.grant import Grant
from fdbrokerd.client.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from fdbrokerd.client.facts import Explanation, Item, Peer
    from fdbrokerd.client.offer import Descriptors
    from fdbrokerd.client.taking import Taking
    from fdbrokerd.client.watch import Watch

DEFAULT_TIMEOUT_SECONDS = 45.0
"""As sd-varlink's calls."""


class Client:
    """A connection to a broker, for one thread at a time.

    Without an address: $FDBROKER_SOCKET, /run/fdbrokerd/io.fdbroker or @fdbrokerd. Connecting, and
    each call, may take timeout_seconds (None: for ever). The server must be root, the own uid,
    server_uid or $FDBROKER_SERVER_UID.

    An error reply is raised as the `CallError` of its name, and the client goes on. After any other
    error (Unreachable, ProtocolError, NoAnswer, KeyboardInterrupt) the connection is closed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_seconds: float | None = DEFAULT_TIMEOUT_SECONDS,
        server_uid: int | None = None,
    ) -> None:
        """Connect. Raises Unreachable, WrongServer, NoAnswer or UsageError."""
        self._link = Link(address, timeout_seconds, server_uid)

    def get(
        self,
        resource: str,
        arguments: Mapping[str, str] | None = None,
        *,
        count: int | None = None,
        wait_seconds: float | None = None,
    ) -> Grant:
        """Get the descriptors of a resource or of an item; the caller owns the grant.

        For an item that is not there, or reserved, the broker waits `wait_seconds` (math.inf: for
        ever), beside what a call may take. Raises TimedOut then; without waiting NoSuchItem, or
        Busy for a reserved one.
        """
        return self._link.ask(
            *questions.get(
                resource,
                arguments,
                count,
                wait_seconds,
                lambda reply: Grant(reply, self._link.release_quietly),
            ),
            wait_seconds,
        )

    def put(
        self,
        item: str,
        descriptors: Descriptors,
        *,
        replace: bool = False,
        ttl_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Put descriptors under a name, RESOURCE/ITEM, all or none; return the name.

        One number or object with a `fileno` (then named "fd"), or several by their names. They stay
        the caller's, who may close them. Raises ItemExists unless it is to `replace`; NotSent where
        the descriptors could not be sent. If the connection is lost while it is committed, it is
        made anew and the broker asked again.
        """
        from fdbrokerd.client.offer import Offer  # noqa: PLC0415

        offer = Offer(descriptors)
        question = questions.put(
            item, offer.names, replace=replace, ttl_seconds=ttl_seconds, metadata=metadata
        )
        return self._link.put(question, offer)

    def take(self, item: str, *, wait_seconds: float | None = None) -> Taking:
        """Get an item and reserve it; `Taking.commit` removes it, closing without gives it back.

        On a connection of its own, whose end gives it back too. Waits as `get` does.
        """
        from fdbrokerd.client.taking import Taking  # noqa: PLC0415

        link = self._link.another()
        try:
            return link.ask(
                *questions.take(item, wait_seconds, lambda reply: Taking(reply, link)),
                wait_seconds,
            )
        except BaseException:
            link.close()
            raise

    def remove(self, item: str) -> None:
        """Remove an item."""
        self._link.ask(*questions.remove(item))

    def watch(self, resource: str) -> Watch:
        """Return what tells what happens to an item, or to all items of a resource."""
        from fdbrokerd.client.watch import Watch  # noqa: PLC0415

        return Watch(self._link.another, resource)

    def release(self, grant_id: str) -> None:
        """End a lease early."""
        self._link.ask(*questions.release(grant_id))

    def list(self) -> tuple[Item, ...]:
        """Return what this process may get, and the items that it may list or has put."""
        return self._link.ask(*questions.list_items())

    def who_am_i(self) -> Peer:
        """Return who the broker takes this process for."""
        return self._link.ask(*questions.who_am_i())

    def explain(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> Explanation:
        """Return whether this process may do something, without doing it."""
        return self._link.ask(*questions.explain(resource, arguments, do))

    def ping(self) -> Mapping[str, object]:
        """Return the broker's vendor, product, version and interfaces."""
        return self._link.ask(*questions.ping())

    def status(self) -> Mapping[str, object]:
        """Return how the broker is; for administrators."""
        return self._link.ask(*questions.status())

    def reload(self) -> None:
        """Have the rules read again; for administrators. Raises ReloadFailed."""
        self._link.ask(*questions.reload())

    def explain_as(
        self,
        resource: str,
        arguments: Mapping[str, str] | None,
        do: str | None,
        pretended: Mapping[str, object],
    ) -> Explanation:
        """Return whether a peer that is made up would be allowed something; for administrators."""
        return self._link.ask(*questions.explain_as(resource, arguments, do, pretended))

    def explain_pid(
        self, resource: str, arguments: Mapping[str, str] | None, do: str | None, pid: int
    ) -> Explanation:
        """Return whether a running process would be allowed something; for administrators."""
        return self._link.ask(*questions.explain_pid(resource, arguments, do, pid))

    def explain_request(self, request: str) -> Explanation:
        """Return why a request of the recent past was denied; for administrators."""
        return self._link.ask(*questions.explain_request(request))

    def who_can(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> str:
        """Return who is allowed something, in lines; for administrators."""
        return self._link.ask(*questions.who_can(resource, arguments, do))

    def close(self) -> None:
        """Close the connection; grants stay as they are. A second close does nothing."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
