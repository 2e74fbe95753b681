# SPDX-License-Identifier: MIT
"""The way out of a relay whose other end does not answer: `^]` three times within one second."""

KEY = 0x1D
TIMES = 3
WITHIN_SECONDS = 1.0


class EscapeKey:
    """Counts the key as machinectl does: anything else in between begins anew."""

    __slots__ = ("_pressed",)

    def __init__(self) -> None:
        self._pressed: list[float] = []

    def pressed(self, keys: bytes, now: float) -> bool:
        """Take what was typed at a time; tell whether that makes it."""
        for key in keys:
            if key != KEY:
                self._pressed.clear()
                continue
            self._pressed = [one for one in self._pressed if now - one < WITHIN_SECONDS]
            self._pressed.append(now)
            if len(self._pressed) == TIMES:
                return True
        return False
