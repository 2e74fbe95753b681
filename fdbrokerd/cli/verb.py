# SPDX-License-Identifier: MIT
"""What the verbs of fdbrokerctl share: options, the broker they ask, and how they print."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fdbrokerd.client.client import DEFAULT_TIMEOUT_SECONDS, Client
from fdbrokerd.client.escape import escape

if TYPE_CHECKING:
    from fdbrokerd.cli.parser import VerbParser

Options = argparse.Namespace
Verbs: TypeAlias = "argparse._SubParsersAction[VerbParser]"  # noqa: SLF001 (it has no other name)


def verb(verbs: Verbs, name: str, run: Callable[[Options], int], says: str) -> "VerbParser":
    """Add a verb, which returns its exit status, and return its parser."""
    parser = verbs.add_parser(
        name, help=says, description=f"{says[0].upper()}{says[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(verb=run)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def asking(verbs: Verbs, name: str, run: Callable[[Options], int], says: str) -> "VerbParser":
    """Add a verb that asks the broker."""
    parser = verb(verbs, name, run, says)
    parser.add_argument("--socket", metavar="ADDRESS", help="@NAME, a path or fd:N")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=DEFAULT_TIMEOUT_SECONDS,
        help=f"for connecting and for each answer ({DEFAULT_TIMEOUT_SECONDS:g})",
    )
    parser.add_argument(
        "--server-uid", metavar="UID", type=int, help="who may answer, beside root and yourself"
    )
    return parser


def add_request(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    """Add the operands and the option that say what would be asked for."""
    parser.add_argument("resource", metavar="RESOURCE", nargs=None if needed else "?")
    parser.add_argument("arguments", metavar="ARG=VALUE", nargs="*")
    parser.add_argument("--do", metavar="VERB", help='what to do with it; "get" unless given')


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add the option that names rule files."""
    parser.add_argument(
        "--rules",
        metavar="DIR",
        action="append",
        default=[],
        help="a directory of rule files, or one file, read without a broker; may be given again, "
        "and a later directory's file replaces an earlier one of the same name",
    )


def client_of(options: Options) -> Client:
    """Return a connection to the broker that the options name."""
    return Client(options.socket, timeout_seconds=options.timeout, server_uid=options.server_uid)


def show(options: Options, values: object, text: str) -> int:
    """Print a result as JSON or as text, whatever the broker wrote in it; return 0."""
    if options.json:
        print(json.dumps(values, indent=2))
    elif text:
        print(escape(text, keep="\n"))
    return 0
