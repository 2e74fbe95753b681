# SPDX-License-Identifier: MIT
"""What fdbroker-get and fdbroker-put share: how they begin, and how they end where it fails."""

from __future__ import annotations

import sys
from posix import O_CLOEXEC, O_PATH, strerror
from posix import open as open_path

from fdbrokerd.cli.disposition import be_ordinary
from fdbrokerd.errors import EX_CONFIG, EX_OSERR, EX_USAGE, Error, UsageError
from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from fdbrokerd.client.client import Client
    from fdbrokerd.errors import Denied

    class Options(Protocol):
        """What every command line has."""

        quiet: bool
        error_status: int | None

    Parsed = TypeVar("Parsed", bound=Options)


def run(name: str, parse: Callable[[list[str]], Parsed], act: Callable[[Parsed], int]) -> int:
    """Run a program; return its exit status."""
    _fill_standard_streams()
    be_ordinary()
    try:
        options = parse(sys.argv[1:])
    except UsageError as error:
        _say(name, f"{error}\nTry '{name} --help'.")
        return EX_USAGE
    try:
        return act(options)
    except Error as error:
        status = error.exit_status
        if not options.quiet or isinstance(error, UsageError):
            _say(name, "\n".join(filter(None, (str(error), *getattr(error, "__notes__", ())))))
    except OSError as error:
        status = EX_OSERR
        if not options.quiet:
            _say(name, strerror(error.errno or 0))
    own = EX_USAGE <= status <= EX_CONFIG
    return options.error_status if own and options.error_status is not None else status


def _fill_standard_streams() -> None:
    """Put something at 0, 1 and 2 where they are closed, that can neither be read nor written.

    Otherwise a received descriptor could land there, and diagnostics in it. They are close-on-exec:
    the command finds them closed, as they were.
    """
    while (filler := OwnedFd(open_path("/", O_PATH | O_CLOEXEC))).fileno() <= 2:
        filler.detach()
    filler.close()


def _say(name: str, text: str) -> None:
    """Print a diagnostic, whatever it holds."""
    from fdbrokerd.client.escape import escape  # noqa: PLC0415 (where something went wrong)

    print(f"{name}: {escape(text, keep=chr(10))}", file=sys.stderr)


def add_description(denied: Denied, broker: Client) -> None:
    """Note on a denial who this is, and whom to ask."""
    from fdbrokerd.cli.denial import describe  # noqa: PLC0415 (hardly ever)

    try:
        peer = broker.who_am_i()
    except Error:
        peer = None
    denied.add_note(describe(denied, peer))
