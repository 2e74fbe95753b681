# SPDX-License-Identifier: MIT
"""Bytes as decisions: what a harness draws, every engine can change byte by byte."""


class Choices:
    """Draws from the front of the data; when that is used up, everything drawn is 0 or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Return how many bytes were not drawn yet."""
        return len(self._data) - self._at

    def below(self, bound: int) -> int:
        """Return a number from 0 to bound - 1. Two bytes where one does not reach."""
        width = 1 if bound <= 256 else 2
        return int.from_bytes(self.take(width), "little") % bound

    def flag(self) -> bool:
        """Return yes or no."""
        return bool(self.below(2))

    def take(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        begin, self._at = self._at, min(self._at + count, len(self._data))
        return self._data[begin : self._at]

    def text(self) -> str:
        """Return a short text. Every character of Unicode can be in it."""
        return self.take(self.below(24)).decode("utf-8", "replace")

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self.left)
