# SPDX-License-Identifier: MIT
"""The blocking client."""

from __future__ import annotations

import select
import time

from fdbrokerd.client import endpoint, questions
from fdbrokerd.client.connection import Connection
from fdbrokerd.client.grant import Grant
from fdbrokerd.errors import DescriptorsMissing, Error, NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.facts import Explanation, Item, Peer
    from fdbrokerd.client.questions import Answer

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
        self._timeout_seconds = timeout_seconds
        self._connection = Connection(endpoint.connect(address, timeout_seconds, server_uid))

    def get(
        self,
        resource: str,
        arguments: Mapping[str, str] | None = None,
        *,
        count: int | None = None,
    ) -> Grant:
        """Get a resource's descriptors; the caller owns the grant."""
        return self._ask(
            *questions.get(
                resource, arguments, count, lambda reply: Grant(reply, self._release_quietly)
            )
        )

    def release(self, grant_id: str) -> None:
        """End a lease early."""
        self._ask(*questions.release(grant_id))

    def list(self) -> tuple[Item, ...]:
        """Return what this process may get."""
        return self._ask(*questions.list_items())

    def who_am_i(self) -> Peer:
        """Return who the broker takes this process for."""
        return self._ask(*questions.who_am_i())

    def explain(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> Explanation:
        """Return whether this process may do something, without doing it."""
        return self._ask(*questions.explain(resource, arguments, do))

    def ping(self) -> Mapping[str, object]:
        """Return the broker's vendor, product, version and interfaces."""
        return self._ask(*questions.ping())

    def status(self) -> Mapping[str, object]:
        """Return how the broker is; for administrators."""
        return self._ask(*questions.status())

    def reload(self) -> None:
        """Have the rules read again; for administrators. Raises ReloadFailed."""
        self._ask(*questions.reload())

    def explain_as(
        self,
        resource: str,
        arguments: Mapping[str, str] | None,
        do: str | None,
        pretended: Mapping[str, object],
    ) -> Explanation:
        """Return whether a peer that is made up would be allowed something; for administrators."""
        return self._ask(*questions.explain_as(resource, arguments, do, pretended))

    def explain_pid(
        self, resource: str, arguments: Mapping[str, str] | None, do: str | None, pid: int
    ) -> Explanation:
        """Return whether a running process would be allowed something; for administrators."""
        return self._ask(*questions.explain_pid(resource, arguments, do, pid))

    def explain_request(self, request: str) -> Explanation:
        """Return why a request of the recent past was denied; for administrators."""
        return self._ask(*questions.explain_request(request))

    def who_can(
        self, resource: str, arguments: Mapping[str, str] | None = None, do: str | None = None
    ) -> str:
        """Return who is allowed something, in lines; for administrators."""
        return self._ask(*questions.who_can(resource, arguments, do))

    def close(self) -> None:
        """Close the connection; grants stay as they are. A second close does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, method: str, parameters: Mapping[str, object], read: Callable[[Reply], Answer]
    ) -> Answer:
        """Make a call and return what its reply becomes."""
        with self._connection:
            reply = self._exchange(method, parameters)
            try:
                return read(reply)
            except DescriptorsMissing:
                self._release_quietly(reply.fields.text("grant"))
                raise
            finally:
                reply.close()

    def _exchange(self, method: str, parameters: Mapping[str, object]) -> Reply:
        deadline = (
            None if self._timeout_seconds is None else time.monotonic() + self._timeout_seconds
        )
        what = str(parameters.get("resource", method))
        self._connection.ask(method, parameters)
        while not self._connection.send():
            self._wait(select.POLLOUT, deadline, what)
        while True:
            self._wait(select.POLLIN, deadline, what)
            if (reply := self._connection.receive()) is not None:
                return reply

    def _wait(self, event: int, deadline: float | None, what: str) -> None:
        poll = select.poll()
        poll.register(self._connection.fileno(), event)
        left = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
        if not poll.poll(left):
            raise NoAnswer(resource=what)

    def _release_quietly(self, grant_id: str) -> None:
        """End a lease if that can be done. Where it cannot it ends with this process."""
        if not grant_id:
            return
        try:  # noqa: SIM105 (contextlib is not loaded on the way of fdbroker-get)
            self.release(grant_id)
        except Error:
            pass
