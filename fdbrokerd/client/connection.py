# SPDX-License-Identifier: MIT
"""A socket and the conversation on it. Nothing here waits; the clients do, each in its way.

A call is made inside `with connection:`. Leaving it by an error closes the connection, so that no
late reply is taken for another call's, unless the error is one that leaves nothing under way.
"""

from __future__ import annotations

from fdbrokerd import channel, errors
from fdbrokerd.client.conversation import Conversation
from fdbrokerd.errors import Unreachable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping
    from types import TracebackType

    from fdbrokerd.client.conversation import Reply


class Connection:
    """One connection to a broker; owns the socket."""

    def __init__(self, connected: _socket.socket) -> None:
        self._socket = connected
        self._conversation = Conversation()
        self._unsent = b""

    def fileno(self) -> int:
        """Return the number to wait for. Raises Unreachable once closed."""
        number = self._socket.fileno()
        if number < 0:
            raise Unreachable("the connection to the broker was closed")
        return number

    def ask(self, method: str, parameters: Mapping[str, object], *, more: bool = False) -> None:
        """Begin a call, with `more` one of many replies; `send` sends it."""
        self.fileno()
        self.receive()  # nothing can be there: if something is, it would be taken for the reply
        self._unsent = self._conversation.ask(method, parameters, more=more)

    def send(self) -> bool:
        """Send what goes without waiting; tell whether that was the rest."""
        try:
            while self._unsent:
                self._unsent = self._unsent[channel.send(self._socket, self._unsent, []) :]
        except BlockingIOError:
            return False
        except OSError as error:
            raise Unreachable("the broker hung up") from error
        return True

    def receive(self) -> Reply | None:
        """Receive once, without waiting; return the reply once it is whole. The caller owns it.

        Nothing is received while there is a reply that came with the one before.
        """
        if (reply := self._conversation.next()) is not None:
            return reply
        try:
            data, descriptors, _truncated = channel.receive_reply(self._socket)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Unreachable("the broker hung up") from error
        return self._conversation.receive(data, descriptors)

    def close(self) -> None:
        """Close the socket and what was received and not taken; a second close does nothing."""
        self._socket.close()
        self._conversation.close()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not _is_harmless(error):
            self.close()


def _is_harmless(error: BaseException) -> bool:
    """Tell whether an error leaves nothing under way."""
    if isinstance(error, errors.NoAnswer):
        return False
    return isinstance(error, (errors.CallError, UsageError))
