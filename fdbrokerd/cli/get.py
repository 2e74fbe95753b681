# SPDX-License-Identifier: MIT
"""fdbroker-get: gets descriptors and does something useful with them.

What the plain way does not need (the relay, help, denials) is imported where it is used: this
program is started often, and a Python import costs more than the broker's whole answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import fdbrokerd
from fdbrokerd.cli import command
from fdbrokerd.cli.get_options import GetOptions
from fdbrokerd.cli.placement import Placement, without_descriptors
from fdbrokerd.client.client import Client
from fdbrokerd.client.escape import escape
from fdbrokerd.errors import (
    EX_CONFIG,
    EX_OSERR,
    EX_USAGE,
    Denied,
    Error,
    UsageError,
)
from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fdbrokerd.cli.get_options import Request
    from fdbrokerd.client.grant import Grant


def main() -> int:
    """Run the program; return its exit status."""
    _fill_standard_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        options = GetOptions(sys.argv[1:])
    except UsageError as error:
        _say(f"{error}\nTry 'fdbroker-get --help'.")
        return EX_USAGE
    try:
        return _run(options)
    except Error as error:
        status = error.exit_status
        if not options.quiet or isinstance(error, UsageError):
            _say("\n".join(filter(None, (str(error), *getattr(error, "__notes__", ())))))
    except OSError as error:
        status = EX_OSERR
        if not options.quiet:
            _say(os.strerror(error.errno or 0))
    own = EX_USAGE <= status <= EX_CONFIG
    return options.error_status if own and options.error_status is not None else status


def _fill_standard_streams() -> None:
    """Put something at 0, 1 and 2 where they are closed, that can neither be read nor written.

    Otherwise a received descriptor could land there, and diagnostics in it. They are close-on-exec:
    the command finds them closed, as they were.
    """
    while (filler := OwnedFd(os.open("/", os.O_PATH | os.O_CLOEXEC))).fileno() <= 2:
        filler.detach()
    filler.close()


def _say(text: str) -> None:
    """Print a diagnostic, whatever it holds."""
    print(f"fdbroker-get: {escape(text, keep=chr(10))}", file=sys.stderr)


def _run(options: GetOptions) -> int:
    if options.help or options.version:
        return _inform(options)
    program = command.find(options.command[0]) if options.command else ""
    grants = _get(options)
    if options.json:
        for grant in grants:
            print(json.dumps(grant.reply))
            grant.close()
        sys.stdout.flush()
        return 0
    only = grants[0]
    if only.kind == "pty" and len(grants) == 1 and not options.placed:
        return _relay(only, program, options)
    if options.command:
        _become(program, options.command, grants, options)
    return _without_command(only)


def _inform(options: GetOptions) -> int:
    if options.version:
        print(f"fdbroker-get {fdbrokerd.__version__}")
        return 0
    from fdbrokerd.cli.get_help import HELP  # noqa: PLC0415

    print(HELP, end="")
    return 0


def _get(options: GetOptions) -> list[Grant]:
    """Get everything, or raise the first error; what was got before is closed by then."""
    grants: list[Grant] = []
    with Client(
        options.address, timeout_seconds=options.timeout_seconds, server_uid=options.server_uid
    ) as broker:
        try:
            for request in options.requests:
                grants.append(_get_one(broker, request))
        except BaseException:
            for grant in grants:
                grant.close()
            raise
    return grants


def _get_one(broker: Client, request: Request) -> Grant:
    try:
        return broker.get(request.resource, request.arguments)
    except Denied as denied:
        from fdbrokerd.cli.denial import describe  # noqa: PLC0415

        try:
            peer = broker.who_am_i()
        except Error:
            peer = None
        denied.add_note(describe(denied, peer))
        raise


def _become(program: str, words: list[str], grants: Sequence[Grant], options: GetOptions) -> None:
    """Become the command with the descriptors in their places; returns never."""
    placement = Placement(force=options.force)
    for grant, request in zip(grants, options.requests, strict=True):
        placement.add(grant, request.places)
    placement.settle()
    arguments = placement.arguments(words)
    environment = placement.environment(dict(os.environ))
    diagnostics = placement.copy(2)
    placement.move()
    try:
        command.become(program, arguments, environment)
    except Error:
        os.dup2(diagnostics.fileno(), 2)  # a descriptor may have taken its place
        raise


def _without_command(grant: Grant) -> int:
    if grant.kind != "file":
        grant.close()
        raise UsageError(f"a {grant.kind} needs a command that uses it: -- CMD")
    from fdbrokerd.cli.transfer import transfer  # noqa: PLC0415

    transfer(grant.fileno())
    grant.close()
    return 0


def _relay(grant: Grant, program: str, options: GetOptions) -> int:
    from fdbrokerd.cli.pty_relay import await_opener, run_command  # noqa: PLC0415

    if not options.command:
        return await_opener(grant, quiet=options.quiet)
    environment = without_descriptors(dict(os.environ))
    return run_command(grant, program, options.command, environment)


if __name__ == "__main__":
    sys.exit(main())
