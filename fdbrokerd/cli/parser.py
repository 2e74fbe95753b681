# SPDX-License-Identifier: MIT
"""Command lines, for the programs whose start may take an argparse."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from fdbrokerd.errors import EX_USAGE


class Parser(argparse.ArgumentParser):
    """Exits for a wrong command line as every program here does, without a help dump."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with EX_USAGE."""
        self.exit(EX_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


class VerbParser(Parser):
    """The parser of one verb: options may stand anywhere, as GNU has it.

    argparse alone takes `RESOURCE --do get ARG=VALUE` for two operands with one too many.
    """

    _mixing = False

    rest_option = ""
    """An option that ends all others: what follows it is a command, with options of its own."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options first and operands afterwards; argparse calls this again for each."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        words, command = self._cut(list(args or ()))
        try:
            parsed, unknown = self.parse_known_intermixed_args(words, namespace)
        finally:
            self._mixing = False
        if command is not None:
            parsed.command = command
        return parsed, unknown

    def _cut(self, words: list[str]) -> tuple[list[str], list[str] | None]:
        """Divide the words at the option that ends all others."""
        if not self.rest_option or self.rest_option not in words:
            return words, None
        at = words.index(self.rest_option)
        if at + 1 == len(words):
            self.error(f"{self.rest_option}: no command after it")
        return words[:at], words[at + 1 :]
