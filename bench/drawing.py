# SPDX-License-Identifier: MIT
"""What all pictures are drawn with: SVG, and logarithmic scales."""

import math
from collections.abc import Collection, Iterable, Iterator
from html import escape

WIDTH = 860
FAINT = "#d0d0d0"
_FONT = 'font-family="sans-serif" font-size="12"'


class Scale:
    """Where numbers are on a stretch of the picture: whole powers of ten at both ends."""

    def __init__(self, numbers: Collection[float], begin: float, end: float) -> None:
        self._low = math.floor(math.log10(min(numbers)))
        self._high = math.ceil(math.log10(max(numbers)))
        self._begin, self._end = begin, end

    def at(self, number: float) -> float:
        """Return where a number is."""
        part = (math.log10(number) - self._low) / max(self._high - self._low, 1)
        return self._begin + part * (self._end - self._begin)

    def marks(self) -> Iterator[float]:
        """Yield the powers of ten."""
        for power in range(self._low, self._high + 1):
            yield 10.0**power


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    """Return words at a place."""
    style = f'{_FONT} text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(words)}</text>'


def told(nanoseconds: float, digits: int = 1) -> str:
    """Return a time for a person."""
    if nanoseconds >= 1e6:
        return f"{nanoseconds / 1e6:.{digits}f} ms"
    return f"{nanoseconds / 1e3:.{digits}f} µs"


def picture(height: float, parts: Iterable[str]) -> str:
    """Return the picture of these, on white."""
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}">'
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>'
    return "\n".join([begin, ground, *parts, "</svg>"]) + "\n"
