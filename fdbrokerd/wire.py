# SPDX-License-Identifier: MIT
"""Bytes and descriptors to messages: Varlink's framing, without any input or output.

Rules of this file:

- A message is everything up to a NUL byte.
- Descriptors that came with a chunk belong to the message that holds the chunk's last byte. The
  kernel ends a receive after a buffer that carries descriptors and never before one, so what is
  glued in front of that message had none (unix(7); the same rule as dbus-broker's `queue.c`). Two
  sets for one message are a violation: whoever attaches descriptors sends them with one sendmsg(2).
- A chunk is judged when it is fed: after an error the stream is of no more use.
"""

from fdbrokerd.errors import MessageTooLong, ProtocolError
from fdbrokerd.fd import OwnedFd, close_all

MAX_MESSAGE_BYTES = 64 * 1024
"""A call or a reply of the broker is well below 4 KiB; at 64 KiB a hostile one costs 1 MiB and 4 ms
to decode, at sd-varlink's 16 MiB it is 417 MiB and 2 s."""

MAX_DESCRIPTORS = 253
"""SCM_MAX_FD: sendmsg(2) with one more is EINVAL."""

END = b"\0"


class Message:
    """One message, without its NUL, and the descriptors that came with it, owned here."""

    __slots__ = ("data", "descriptors")

    def __init__(self, data: bytes, descriptors: list[OwnedFd]) -> None:
        self.data = data
        self.descriptors = descriptors

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        close_all(self.descriptors)


class Decoder:
    """The receiving half of one stream."""

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._messages: list[Message] = []
        self._queued_bytes = 0
        self._partial = bytearray()
        self._descriptors: list[OwnedFd] = []

    def feed(self, data: bytes, descriptors: list[OwnedFd]) -> None:
        """Take the bytes and descriptors of one receive; owns the descriptors from here on.

        Raises MessageTooLong or ProtocolError.
        """
        if (
            not (descriptors or self._partial or self._descriptors)
            and data.find(END) + 1 == len(data) > 0
        ):
            self._one(data[:-1])
            return
        *ended, rest = data.split(END)
        last = max(len(ended) - (0 if rest else 1), 0)
        for index, part in enumerate((*ended, rest)):
            if index == last:
                self._attach(descriptors)
            if len(self._partial) + len(part) > self._max_message_bytes:
                close_all(descriptors)
                raise MessageTooLong(f"a message of more than {self._max_message_bytes} bytes")
            if index == len(ended):
                self._partial += part
                break
            whole = bytes(self._partial) + part if self._partial else part
            self._messages.append(Message(whole, self._descriptors))
            self._queued_bytes += len(whole)
            self._partial = bytearray()
            self._descriptors = []

    def only(self, data: bytes) -> bytes | None:
        """Return the message that these bytes are, where they are one and no other waits for it.

        So are nearly all receives, and nothing has to be kept of them; the others are for `feed`.
        """
        end = len(data) - 1
        if self._messages or self._partial or self._descriptors or data.find(END) != end:
            return None
        return data[:end] if end <= self._max_message_bytes else None

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits and nothing has begun."""
        return not (self._messages or self._partial or self._descriptors)

    def _one(self, whole: bytes) -> None:
        """Take what is one message and nothing else, which most receives are."""
        if len(whole) > self._max_message_bytes:
            raise MessageTooLong(f"a message of more than {self._max_message_bytes} bytes")
        self._messages.append(Message(whole, []))
        self._queued_bytes += len(whole)

    def _attach(self, descriptors: list[OwnedFd]) -> None:
        if not descriptors:
            return
        if self._descriptors:
            close_all(descriptors)
            raise ProtocolError("two sets of descriptors for one message")
        self._descriptors = descriptors

    def next(self) -> Message | None:
        """Return the next whole message, which the caller then owns, or None."""
        if not self._messages:
            return None
        message = self._messages.pop(0)
        self._queued_bytes -= len(message.data)
        return message

    @property
    def waiting(self) -> int:
        """Return how many whole messages were not taken yet."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Tell whether what was not taken yet is as much as one message may be."""
        return self._queued_bytes >= self._max_message_bytes

    @property
    def partial(self) -> bool:
        """Tell whether a message has begun and not ended."""
        return bool(self._partial) or bool(self._descriptors)

    def close(self) -> None:
        """Close every descriptor that nobody took."""
        for message in self._messages:
            message.close()
        self._messages.clear()
        self._queued_bytes = 0
        close_all(self._descriptors)
        self._descriptors = []
