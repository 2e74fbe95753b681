# SPDX-License-Identifier: MIT
"""What the programs say of themselves: their `--help`, and the options in it."""

import re
import subprocess
import sys
from functools import cache

MODULES = {
    "fdbroker-get": "get",
    "fdbroker-put": "put",
    "fdbrokerctl": "ctl",
    "fdbrokerd": "daemon",
}
"""The module of each program, below fdbrokerd.cli."""

_OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)(?![\w-])")
_VERB = re.compile(r"^    ([a-z-]+) ", re.MULTILINE)


@cache
def help_of(program: str, *verb: str) -> str:
    """Return what a program, or a verb of it, prints for --help."""
    return subprocess.run(
        [sys.executable, "-m", f"fdbrokerd.cli.{MODULES[program]}", *verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout


def options_of(program: str, *verb: str) -> set[str]:
    """Return the options that the lines of a --help begin with."""
    found = set()
    for line in help_of(program, *verb).splitlines():
        if line.startswith("  ") and line.lstrip().startswith("-"):
            # The words of an option and the text that follows are two spaces apart.
            head = re.split(r"\s{2,}", line.strip())[0]
            found |= set(_OPTION.findall(head))
    return found


def verbs() -> list[str]:
    """Return the verbs of fdbrokerctl."""
    return _VERB.findall(help_of("fdbrokerctl"))
