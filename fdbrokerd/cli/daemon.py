# SPDX-License-Identifier: MIT
"""The program `fdbrokerd`."""

import argparse
import os
import sys
from collections.abc import Sequence

from fdbrokerd.cli import service
from fdbrokerd.cli.parser import Parser
from fdbrokerd.errors import ConfigurationError, Error, UsageError
from fdbrokerd.fd import OwnedFd
from fdbrokerd.rules.settings import PATH
from fdbrokerd.version import __version__

PID_FILE = "/run/fdbrokerd/fdbrokerd.pid"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fdbrokerd",
        description="Hand file descriptors to the processes that a rule allows.",
        epilog="Without an option it serves in the foreground, under systemd with Type=notify.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"the settings; {PATH}, where it is, unless given"
    )
    parser.add_argument(
        "--daemonize",
        action="store_true",
        help="detach, for systems without systemd; what peers put is held until it ends",
    )
    parser.add_argument(
        "--pid-file", metavar="FILE", help=f"with --daemonize; {PID_FILE} unless given"
    )
    parser.add_argument(
        "--run",
        action="store_true",
        help="start a private broker with the built-in rules, run CMD against it, exit as it does; "
        "what is put there ends with it",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", metavar="-- CMD", nargs="*", help="with --run")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    _fill_standard_streams()
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        if options.run:
            from fdbrokerd.cli import private  # noqa: PLC0415 (a service needs none of it)

            return private.run(options.command)
        return service.run(options.config, options.pid_file or PID_FILE, detach=options.daemonize)
    except Error as error:
        mistakes = error.mistakes if isinstance(error, ConfigurationError) else (error,)
        for mistake in mistakes:
            print(f"fdbrokerd: {mistake}", file=sys.stderr)
        return error.exit_status


def _fill_standard_streams() -> None:
    """Put /dev/null where 0, 1 or 2 is closed: a listener would get the number."""
    while (filler := OwnedFd(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))).fileno() <= 2:
        filler.detach()
    filler.close()


def _check(options: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if options.run and (options.config or options.daemonize or options.pid_file):
        raise UsageError("--run takes its own rules and stays in the foreground")
    if options.run and not options.command:
        raise UsageError("--run needs a command: fdbrokerd --run -- CMD")
    if options.command and not options.run:
        raise UsageError(f"unexpected argument: {options.command[0]}")
    if options.pid_file and not options.daemonize:
        raise UsageError("--pid-file goes with --daemonize")
    if options.daemonize and "NOTIFY_SOCKET" in os.environ:
        raise UsageError("the service manager watches this process: leave out --daemonize")


if __name__ == "__main__":
    sys.exit(main())
