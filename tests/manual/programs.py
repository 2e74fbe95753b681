# SPDX-License-Identifier: MIT
"""What the programs say of themselves: their `--help`, and the options in it."""

import re
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO

from fdbrokerd.cli import ctl, daemon, get_help, put_help

MODULES = {
    "fdbroker-get": "get",
    "fdbroker-put": "put",
    "fdbrokerctl": "ctl",
    "fdbrokerd": "daemon",
}
"""The module of each program, below fdbrokerd.cli."""

HELPS = {"fdbroker-get": get_help.HELP, "fdbroker-put": put_help.HELP}

_OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)(?![\w-])")
_VERB = re.compile(r"^    ([a-z-]+) ", re.MULTILINE)


@cache
def help_of(program: str, *verb: str) -> str:
    """Return what a program, or a verb of it, prints for --help; asked here, not in a process."""
    if program in HELPS:
        return HELPS[program]
    main = {"fdbrokerctl": ctl.main, "fdbrokerd": daemon.main}[program]
    with redirect_stdout(StringIO()) as printed, suppress(SystemExit):
        main([*verb, "--help"])
    return printed.getvalue()


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
