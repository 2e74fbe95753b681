# SPDX-License-Identifier: MIT
"""fdbroker-get: gets descriptors and does something useful with them.

What the plain way does not need (the relay, help, denials) is imported where it is used: this
program is started often, and a Python import costs more than the broker's whole answer.
"""

from __future__ import annotations

import sys
from posix import dup2

import fdbrokerd
from fdbrokerd import errors
from fdbrokerd.cli import command
from fdbrokerd.cli.get_options import GetOptions
from fdbrokerd.cli.placement import Placement, without_descriptors
from fdbrokerd.cli.program import add_description, run
from fdbrokerd.client import jsontext
from fdbrokerd.client.client import Client
from fdbrokerd.client.environment import environment
from fdbrokerd.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fdbrokerd.cli.get_options import Request
    from fdbrokerd.client.grant import Grant


def main() -> int:
    """Run the program; return its exit status."""
    return run("fdbroker-get", GetOptions, _run)


def _run(options: GetOptions) -> int:
    if options.help or options.version:
        return _inform(options)
    program = command.find(options.command[0]) if options.command else ""
    if options.take and program:
        command.check_interpreter(program)  # what is taken would be lost with it
    grants = _get(options)
    if options.json:
        for grant in grants:
            print(jsontext.encode(grant.reply))
            grant.close()
        sys.stdout.flush()
        return 0
    only = grants[0]
    if only.kind == "pty" and len(grants) == 1 and not options.placed:
        return _relay(only, program, options)
    if options.command:
        _become(program, options.command, grants, options)
    return _without_command(only, options)


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
                grants.append(_get_one(broker, request, options))
        except BaseException:
            for grant in grants:
                grant.close()
            raise
    return grants


def _get_one(broker: Client, request: Request, options: GetOptions) -> Grant:
    try:
        if options.take:
            return broker.take(request.resource, wait_seconds=options.wait_seconds)
        return broker.get(request.resource, request.arguments, wait_seconds=options.wait_seconds)
    except errors.Denied as denied:
        add_description(denied, broker)
        raise


def _become(program: str, words: list[str], grants: Sequence[Grant], options: GetOptions) -> None:
    """Become the command with the descriptors in their places; returns never."""
    placement = Placement(force=options.force)
    for grant, request in zip(grants, options.requests, strict=True):
        placement.add(grant, request.places)
    placement.settle()
    arguments = placement.arguments(words)
    variables = placement.environment(environment())
    diagnostics = placement.copy(2)
    placement.lift()
    if options.take:
        _commit(grants)  # from here on only the exec itself can fail
    placement.move()
    try:
        command.become(program, arguments, variables)
    except Error:
        dup2(diagnostics.fileno(), 2)  # a descriptor may have taken its place
        raise


def _commit(grants: Sequence[Grant]) -> None:
    """Remove what was taken from the store, one after the other."""
    from fdbrokerd.client.taking import Taking  # noqa: PLC0415

    done: list[str] = []
    for grant in grants:
        assert isinstance(grant, Taking)
        try:
            grant.commit()
        except Error as error:
            if done:
                error.add_note(f"  taken before that, and closed now: {', '.join(done)}")
            raise
        done.append(grant.resource)


def _without_command(grant: Grant, options: GetOptions) -> int:
    from fdbrokerd.cli.unplaced import use_of  # noqa: PLC0415

    with grant:
        use = use_of(grant)
        if options.take:
            _commit([grant])
        use()
    return 0


def _relay(grant: Grant, program: str, options: GetOptions) -> int:
    from fdbrokerd.cli.pty_relay import await_opener, run_command  # noqa: PLC0415

    if not options.command:
        return await_opener(grant, quiet=options.quiet)
    variables = without_descriptors(environment())
    return run_command(grant, program, options.command, variables)


if __name__ == "__main__":
    sys.exit(main())
