# SPDX-License-Identifier: MIT
"""GNU's way of options: anywhere before `--`, bundled, abbreviated.

Not argparse: its import alone costs as much as the bare interpreter's start.

`--` ends the options and begins a command, which is kept apart from the operands before it.
"""

from __future__ import annotations

from fdbrokerd.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal, TypeAlias

    Takes: TypeAlias = Literal["nothing", "value", "perhaps"]
    """`perhaps` takes a value only after `=`, as getopt_long(3) has it."""


class CommandLine:
    """Options in their order, by their long names; operands; the command after `--`, if there."""

    __slots__ = ("command", "operands", "options")

    def __init__(self, arguments: list[str], table: Mapping[str, Takes], short: str) -> None:
        """Parse. `short` maps letters to long names: `q=quiet I=replace`. Raises UsageError."""
        self.options: list[tuple[str, str | None]] = []
        self.operands: list[str] = []
        self.command: list[str] | None = None
        letters = dict(pair.split("=") for pair in short.split())
        rest = list(reversed(arguments))
        while rest:
            word = rest.pop()
            if word == "--":
                self.command = rest[::-1]
                break
            if word.startswith("--"):
                self._long(word[2:], rest, table)
            elif word.startswith("-") and word != "-":
                self._bundle(word[1:], rest, table, letters)
            else:
                self.operands.append(word)

    def _long(self, word: str, rest: list[str], table: Mapping[str, Takes]) -> None:
        given, equals, attached = word.partition("=")
        name = _complete(given, table)
        value: str | None = attached if equals else None
        if table[name] == "nothing" and equals:
            raise UsageError(f"option --{name} takes no value")
        if table[name] == "value" and not equals:
            value = _next(f"--{name}", rest)
        self.options.append((name, value))

    def _bundle(
        self, word: str, rest: list[str], table: Mapping[str, Takes], letters: dict[str, str]
    ) -> None:
        while word:
            letter, word = word[0], word[1:]
            if letter not in letters:
                raise UsageError(f"unknown option -{letter}")
            name = letters[letter]
            value = None
            if table[name] == "value":
                value, word = word or _next(f"-{letter}", rest), ""
            self.options.append((name, value))


def _complete(given: str, table: Mapping[str, Takes]) -> str:
    """Return the option that is spelled out, or the only one that begins so."""
    if given in table:
        return given
    matches = [name for name in table if name.startswith(given)]
    if not matches:
        raise UsageError(f"unknown option --{given}")
    if len(matches) > 1:
        raise UsageError(f"option --{given} could be --{' or --'.join(matches)}")
    return matches[0]


def _next(option: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"option {option} needs a value")
    return rest.pop()


def arguments_of(words: Iterable[str]) -> dict[str, str]:
    """Return a resource's arguments from words of the form NAME=VALUE. Raises UsageError."""
    arguments: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"not an argument: {word!r}: give NAME=VALUE")
        if name in arguments:
            raise UsageError(f"argument {name} is given twice")
        arguments[name] = value
    return arguments


def timeout_of(text: str | None) -> float | None:
    """Return a time in seconds; None for `infinity`. The default is the library's."""
    from fdbrokerd.client.client import DEFAULT_TIMEOUT_SECONDS  # noqa: PLC0415

    if text is None:
        return DEFAULT_TIMEOUT_SECONDS
    if text == "infinity":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e9:  # not NaN either
        raise UsageError(f"--timeout {text}: give seconds, or infinity")
    return seconds


def number_of(option: str, text: str | None, most: int = 2**32 - 2) -> int | None:
    """Return a number, or None where none is given. Raises UsageError."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise UsageError(f"{option} {text}: give a number up to {most}")
    return int(text)
