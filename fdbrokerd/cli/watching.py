# SPDX-License-Identifier: MIT
"""`fdbrokerctl watch`: prints what happens to items, or runs a command for each event."""

import json
import os
import select
import subprocess
import sys
from collections import deque

from fdbrokerd.cli.command import find
from fdbrokerd.cli.verb import Options, Verbs, asking, client_of
from fdbrokerd.client.escape import escape
from fdbrokerd.client.facts import Event
from fdbrokerd.client.watch import Watch
from fdbrokerd.errors import Error, Unreachable, UsageError
from fdbrokerd.fd import OwnedFd

_EXEC = "--exec"


def add_watch(verbs: Verbs) -> None:
    """Add the verb."""
    parser = asking(verbs, "watch", _run, "tell what happens to items: EVENT NAME in a line each")
    parser.add_argument("resource", metavar="RESOURCE[/ITEM]")
    parser.add_argument(
        _EXEC,
        dest="command",
        metavar=("CMD", "ARG"),
        nargs="+",
        help="instead of printing, run this for each event, one after the other, with "
        "FDBROKER_EVENT and FDBROKER_RESOURCE in its environment; all that follows is its",
    )
    parser.rest_option = _EXEC


def _run(options: Options) -> int:
    """Watch until the broker goes away."""
    if options.command and options.json:
        raise UsageError("--json and --exec do not go together")
    if options.command:
        find(options.command[0])  # before anything is asked for
    with client_of(options) as broker, broker.watch(options.resource) as watch:
        if options.command:
            _run_for_each(watch, options.command)
        else:
            _print_each(watch, as_json=options.json)
    raise Unreachable("the broker said that no more events will come")


def _print_each(watch: Watch, *, as_json: bool) -> None:
    for event in watch:
        if as_json:
            line = json.dumps(dict(event.fields))
        else:
            line = f"{escape(event.event)} {escape(event.resource)}"
        print(line, flush=True)


def _run_for_each(watch: Watch, command: list[str]) -> None:
    """Run the command for each event.

    Events are received while it runs: a broker hangs up on who leaves them lying for long. What was
    received before the broker went away is still told.
    """
    waiting: deque[Event] = deque()
    gone: Error | None = None
    while True:
        if not waiting and gone is not None:
            raise gone
        event = waiting.popleft() if waiting else next(watch, None)
        if event is None:
            return
        environment = {
            **os.environ,
            "FDBROKER_EVENT": event.event,
            "FDBROKER_RESOURCE": event.resource,
        }
        try:
            process = subprocess.Popen(command, env=environment)
        except (OSError, ValueError) as error:
            _say(command, str(error))
            continue
        gone = _receive_meanwhile(process, watch, waiting, gone)
        if process.returncode:
            _say(command, f"{event.event} {event.resource}: {_end_of(process)}")


def _receive_meanwhile(
    process: "subprocess.Popen[bytes]", watch: Watch, waiting: deque[Event], gone: Error | None
) -> Error | None:
    """Wait for the process; return what ended the watch meanwhile or before."""
    poll = select.poll()
    with process, OwnedFd(os.pidfd_open(process.pid)) as ended:
        poll.register(ended.fileno(), select.POLLIN)
        if gone is None and not watch.ended:
            poll.register(watch.fileno(), select.POLLIN)
        while ended.fileno() not in (ready := [number for number, _ in poll.poll()]):
            try:
                waiting.extend(watch.arrived())
            except Error as error:
                gone = error
            if gone is not None or watch.ended:
                poll.unregister(*ready)
    return gone


def _end_of(process: "subprocess.Popen[bytes]") -> str:
    code = process.returncode
    return f"ended by signal {-code}" if code < 0 else f"exit status {code}"


def _say(command: list[str], what: str) -> None:
    print(f"fdbrokerctl: {escape(command[0])}: {escape(what)}", file=sys.stderr, flush=True)
