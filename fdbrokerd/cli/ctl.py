# SPDX-License-Identifier: MIT
"""fdbrokerctl: asks the broker, manages it, and checks its files without it."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from fdbrokerd.cli.check import add_check
from fdbrokerd.cli.denial import describe_peer
from fdbrokerd.cli.disposition import die_by
from fdbrokerd.cli.doctor import doctor
from fdbrokerd.cli.explain import add_explain
from fdbrokerd.cli.graph import add_graph
from fdbrokerd.cli.listing import add_list
from fdbrokerd.cli.parser import Parser, VerbParser
from fdbrokerd.cli.removal import add_remove
from fdbrokerd.cli.report import pairs
from fdbrokerd.cli.schema import add_schema
from fdbrokerd.cli.verb import Options, asking, client_of, show
from fdbrokerd.cli.watching import add_watch
from fdbrokerd.cli.who_can import add_who_can
from fdbrokerd.client.escape import escape
from fdbrokerd.errors import ConfigurationError, Error
from fdbrokerd.version import __version__

EX_BROKEN_PIPE = 141
"""What a shell shows for a program that SIGPIPE ended, which Python ignores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.verb(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has enough (`| head`). What is still buffered must not fail at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
        return EX_BROKEN_PIPE
    except KeyboardInterrupt:
        die_by(signal.SIGINT)
        raise
    except Error as error:
        for one in error.mistakes if isinstance(error, ConfigurationError) else (error,):
            print(escape(f"fdbrokerctl: {one}", keep="\n"), file=sys.stderr)
        return error.exit_status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fdbrokerctl",
        description="Ask and manage the descriptor broker.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=VerbParser)
    add_list(verbs)
    add_remove(verbs)
    add_watch(verbs)
    asking(verbs, "whoami", _whoami, "who the broker takes this process for")
    add_explain(verbs)
    asking(verbs, "ping", _ping, "whether the broker answers")
    asking(verbs, "status", _status, "how the broker is (for administrators)")
    asking(verbs, "reload", _reload, "read the rules again (for administrators)")
    add_who_can(verbs)
    add_check(verbs)
    add_graph(verbs)
    add_schema(verbs)
    asking(verbs, "doctor", doctor, "what this machine can do for the broker")
    return parser


def _whoami(options: Options) -> int:
    with client_of(options) as broker:
        peer = broker.who_am_i()
    return show(options, dict(peer.fields), describe_peer(peer))


def _ping(options: Options) -> int:
    with client_of(options) as broker:
        info = broker.ping()
    return show(options, dict(info), f"{info.get('product')} {info.get('version')}")


def _status(options: Options) -> int:
    with client_of(options) as broker:
        status = broker.status()
    return show(options, dict(status), pairs(status))


def _reload(options: Options) -> int:
    with client_of(options) as broker:
        broker.reload()
    return show(options, {}, "")


if __name__ == "__main__":
    sys.exit(main())
