# SPDX-License-Identifier: MIT
"""A connection that is waited for by blocking: one question, one answer, or a stream of them."""

from __future__ import annotations

import select
import time

from fdbrokerd import errors
from fdbrokerd.client import endpoint, questions
from fdbrokerd.client.connection import Connection
from fdbrokerd.errors import Error, ProtocolError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fdbrokerd.client.conversation import Reply
    from fdbrokerd.client.deposit import Deposit
    from fdbrokerd.client.offer import Offer
    from fdbrokerd.client.questions import Answer, Question

LONGEST_SECONDS = 1e6
"""How long to wait at once: poll(2) takes an int of milliseconds."""

COMMIT_PAUSE_SECONDS = 0.05
"""Between two questions whether a Commit has ended; one takes about a millisecond."""

_FOR_EVER = float("inf")


class Link:
    """One connection, and how it was made, so that another one can be."""

    def __init__(
        self, address: str | None, timeout_seconds: float | None, server_uid: int | None
    ) -> None:
        """Connect. Raises Unreachable, WrongServer, NoAnswer or UsageError."""
        self._where = address, timeout_seconds, server_uid
        self._timeout_seconds = timeout_seconds
        self._connection = Connection(endpoint.connect(*self._where))

    def another(self) -> Link:
        """Return a link on a connection of its own; one that was inherited (fd:N) is shared."""
        return Link(*self._where)

    def fileno(self) -> int:
        """Return the connection's number. Raises Unreachable once closed."""
        return self._connection.fileno()

    def ask(
        self,
        method: str,
        parameters: Mapping[str, object],
        read: Callable[[Reply], Answer],
        wait_seconds: float | None = None,
    ) -> Answer:
        """Make a call and return what its reply becomes.

        The broker may take `wait_seconds` longer than otherwise.
        """
        with self._connection:
            reply = self._exchange(method, parameters, self.deadline(wait_seconds))
            try:
                return read(reply)
            except errors.DescriptorsMissing:
                if reply.fields.has("grant"):
                    self.release_quietly(reply.fields.text("grant"))
                raise
            finally:
                reply.close()

    def release_quietly(self, grant_id: str) -> None:
        """End a lease if that can be done. Where it cannot it ends with this process."""
        if grant_id:
            self._quietly(*questions.release(grant_id))

    def put(self, question: Question[Deposit], offer: Offer) -> str:
        """Put what is offered, and return the item's name."""
        deposit = self.ask(*question)
        try:
            with deposit:
                deposit.send(offer)
        except Error:
            # Nothing came with it, so this ends it: the broker need not keep the transaction.
            self._quietly(*questions.commit(deposit.transaction))
            raise
        except BaseException:
            self.close()
            raise
        return self.commit(deposit.transaction)

    def commit(self, transaction: str) -> str:
        """Commit, and once more where the connection is lost before the answer.

        The same user may repeat a Commit, by another connection too.
        """
        try:
            return self.ask(*questions.commit(transaction))
        except (Unreachable, ProtocolError) as error:
            if endpoint.inherited(self._where[0]):
                raise
            lost = error
        self._connection.close()
        try:
            self._connection = Connection(endpoint.connect(*self._where))
            return self._commit_again(transaction)
        except Error as error:
            from fdbrokerd.client.doubt import doubt  # noqa: PLC0415 (hardly ever)

            raise doubt(lost, error) from error

    def _commit_again(self, transaction: str) -> str:
        """Repeat a Commit; the broker is busy while it still carries out the first one."""
        deadline = self.deadline()
        while True:
            try:
                return self.ask(*questions.commit(transaction))
            except errors.Busy:
                if deadline is not None and time.monotonic() > deadline:
                    raise
            time.sleep(COMMIT_PAUSE_SECONDS)

    def begin(self, method: str, parameters: Mapping[str, object]) -> None:
        """Begin a call that is answered many times, each time a `next`."""
        with self._connection:
            self._send(method, parameters, self.deadline(), more=True)

    def next(self, read: Callable[[Reply], Answer], deadline: float | None) -> Answer:
        """Wait for the next reply and return what it becomes."""
        with self._connection:
            while (reply := self._connection.receive()) is None:
                self._wait(select.POLLIN, deadline, "the broker's next reply")
            return become(reply, read)

    def arrived(self, read: Callable[[Reply], Answer]) -> Answer | None:
        """Return what the next reply becomes if it has arrived; waits for nothing."""
        with self._connection:
            reply = self._connection.receive()
            return None if reply is None else become(reply, read)

    def deadline(self, wait_seconds: float | None = None) -> float | None:
        """Return until when the broker may take to answer a call that begins now."""
        if self._timeout_seconds is None:
            return None
        deadline = time.monotonic() + self._timeout_seconds + (wait_seconds or 0)
        return None if deadline == _FOR_EVER else deadline

    def close(self) -> None:
        """Close the connection; a second close does nothing."""
        self._connection.close()

    def _quietly(
        self, method: str, parameters: Mapping[str, object], read: Callable[[Reply], object]
    ) -> None:
        try:  # noqa: SIM105 (contextlib is not loaded on the way of fdbroker-get)
            self.ask(method, parameters, read)
        except Error:
            pass

    def _exchange(
        self, method: str, parameters: Mapping[str, object], deadline: float | None
    ) -> Reply:
        what = self._send(method, parameters, deadline)
        while True:
            self._wait(select.POLLIN, deadline, what)
            if (reply := self._connection.receive()) is not None:
                return reply

    def _send(
        self,
        method: str,
        parameters: Mapping[str, object],
        deadline: float | None,
        *,
        more: bool = False,
    ) -> str:
        """Send a call; return what to call it."""
        what = call_name(method, parameters)
        self._connection.ask(method, parameters, more=more)
        while not self._connection.send():
            self._wait(select.POLLOUT, deadline, what)
        return what

    def _wait(self, event: int, deadline: float | None, what: str) -> None:
        poll = select.poll()
        poll.register(self._connection.fileno(), event)
        while True:
            left = LONGEST_SECONDS if deadline is None else max(deadline - time.monotonic(), 0)
            if poll.poll(min(left, LONGEST_SECONDS) * 1000):
                return
            if left < LONGEST_SECONDS:
                raise errors.NoAnswer(resource=what)


def become(reply: Reply, read: Callable[[Reply], Answer]) -> Answer:
    """Return what a reply becomes; what is not taken from it is closed."""
    try:
        return read(reply)
    finally:
        reply.close()


def call_name(method: str, parameters: Mapping[str, object]) -> str:
    """Return what a call is about, for an error."""
    return str(parameters.get("resource") or parameters.get("item") or method)
