# SPDX-License-Identifier: MIT
"""A wait for a socket in an event loop: asyncio's own reading and writing knows no descriptors."""

import asyncio

from fdbrokerd.errors import Error


class Waiter:
    """One wait for a descriptor to be ready, in the loop until it is or until `stop`."""

    __slots__ = ("_number", "_remove", "future")

    def __init__(self, number: int, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = loop.create_future()
        self._number = number
        self._remove = loop.remove_writer if writing else loop.remove_reader
        add = loop.add_writer if writing else loop.add_reader
        add(number, self._ready)

    def _ready(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def stop(self, error: Error | None = None) -> None:
        """Leave the loop, before the number is closed and somebody else's."""
        if self._number >= 0:
            self._remove(self._number)
            self._number = -1
        if error is not None and not self.future.done():
            self.future.set_exception(error)
