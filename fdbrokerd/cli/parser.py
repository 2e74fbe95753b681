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

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options first and operands afterwards; argparse calls this again for each."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False
