# SPDX-License-Identifier: MIT
"""Command lines, for the programs whose start may take an argparse."""

import argparse
from typing import NoReturn

from fdbrokerd.errors import EX_USAGE


class Parser(argparse.ArgumentParser):
    """Exits for a wrong command line as every program here does, without a help dump."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with EX_USAGE."""
        self.exit(EX_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")
