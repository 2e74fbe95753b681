# SPDX-License-Identifier: MIT
"""The calls that a peer makes again and again, each decoded once.

Whoever answers a call may keep with it what came of it, for the next one of the same bytes.
"""

from fdbrokerd.messages import Call, decode

MAX_CALLS = 4
MAX_BYTES = 256
"""A peer that repeats itself asks for few things in few words; a kilobyte for each connection."""


class Repeated:
    """The last calls of one connection, by their bytes."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[bytes, Call] = {}

    def read(self, data: bytes) -> Call:
        """Return the call that a message holds. Raises NotJson for what is not a JSON object."""
        call = self._calls.get(data)
        if call is None:
            call = decode(data)
            if len(data) <= MAX_BYTES:
                if len(self._calls) == MAX_CALLS:
                    self._calls.clear()
                self._calls[data] = call
        return call
