# SPDX-License-Identifier: MIT
"""One place for a descriptor, as an option names it."""

from __future__ import annotations

from fdbrokerd.errors import UsageError

STREAMS = {"stdin": (0,), "stdout": (1,), "stdio": (0, 1, 2)}


class Place:
    """One placement: `what` says of which kind, `name` which of several descriptors."""

    __slots__ = ("name", "numbers", "text", "what")

    def __init__(
        self, what: str, name: str | None, *, numbers: tuple[int, ...] = (), text: str = ""
    ) -> None:
        self.what = what
        self.name = name
        self.numbers = numbers
        self.text = text


def place_of(option: str, value: str | None) -> Place | None:
    """Return the place that an option names, or None for another option. Raises UsageError."""
    if option == "fd":
        number, colon, name = (value or "").partition(":")
        if not (number.isascii() and number.isdigit() and int(number) < 2**31):
            raise UsageError(f"--fd {value}: give N or N:NAME")
        return Place("fd", name if colon else None, numbers=(int(number),))
    if option in STREAMS:
        return Place("stream", value, numbers=STREAMS[option])
    if option == "env":
        variable, equals, name = (value or "").partition("=")
        if not (variable.isascii() and variable.isidentifier()):
            raise UsageError(f"--env {value}: not a variable's name")
        return Place("env", name if equals else None, text=variable)
    if option == "replace":
        if not value:
            raise UsageError("-I: give a text to replace")
        return Place("replace", None, text=value)
    return Place("listen", None) if option == "listen" else None
