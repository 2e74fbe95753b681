# SPDX-License-Identifier: MIT
"""The typed parameters of a resource that a peer may choose, and what a rule says of them."""

import re
from collections.abc import Mapping

from msgspec import Struct

MAX_VALUE_CHARACTERS = 255
"""NAME_MAX: a value becomes at most one component of a path."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\ud800-\udfff\u2028\u2029]")


def unsafe(value: str) -> str | None:
    """Return why no argument may ever have this value, or None.

    A value may be put into a path, a log line and a terminal: one component, no control character,
    no half of a surrogate pair.
    """
    if not value:
        return "is empty"
    if len(value) > MAX_VALUE_CHARACTERS:
        return f"is longer than {MAX_VALUE_CHARACTERS} characters"
    if value in {".", ".."}:
        return "is not a name"
    if _UNSAFE.search(value):
        return "holds a '/' or a control character"
    return None


class Choice(Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]

    def problem(self, value: str) -> str | None:
        """Return what is wrong with the value, or None."""
        return None if value in self.words else f"is not one of {', '.join(self.words)}"


class Pattern(Struct, frozen=True):
    """A regular expression that the whole value must match."""

    expression: re.Pattern[str]

    def problem(self, value: str) -> str | None:
        """Return what is wrong with the value, or None. fullmatch: `$` would let a newline pass."""
        if self.expression.fullmatch(value):
            return None
        return f"does not match {self.expression.pattern}"


class Integer(Struct, frozen=True):
    """A decimal number without sign or leading zero, between two bounds."""

    low: int
    high: int

    def problem(self, value: str) -> str | None:
        """Return what is wrong with the value, or None."""
        if re.fullmatch(r"0|[1-9][0-9]{0,9}", value) and self.low <= int(value) <= self.high:
            return None
        return f"is not a number from {self.low} to {self.high}"


ArgumentType = Choice | Pattern | Integer


class Argument(Struct, frozen=True):
    """One parameter: its type, and the value that holds when a peer names none."""

    type: ArgumentType
    default: str | None = None

    def problem(self, value: str) -> str | None:
        """Return what is wrong with the value, or None."""
        return unsafe(value) or self.type.problem(value)


class ArgumentLimit(Struct, frozen=True):
    """What a rule's `with` lets one argument be: one of these words, or of these ranges."""

    words: frozenset[str] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        spans = [str(low) if low == high else f"{low}-{high}" for low, high in self.ranges]
        return " or ".join([*sorted(self.words), *spans])

    def holds(self, value: str | None) -> bool:
        """Tell whether the value is let through; an argument that is absent is not."""
        if value is None:
            return False
        if value in self.words:
            return True
        return (
            value.isascii()
            and value.isdigit()
            and any(low <= int(value) <= high for low, high in self.ranges)
        )


def with_holds(limits: Mapping[str, ArgumentLimit], values: Mapping[str, str]) -> bool:
    """Tell whether a rule's `with` holds for the arguments of a request."""
    return all(limit.holds(values.get(name)) for name, limit in limits.items())
