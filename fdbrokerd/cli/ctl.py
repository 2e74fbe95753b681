# SPDX-License-Identifier: MIT
"""fdbrokerctl: asks the broker, manages it, and checks its files without it."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence

from fdbrokerd.cli.check import check
from fdbrokerd.cli.denial import describe_peer
from fdbrokerd.cli.parser import Parser
from fdbrokerd.cli.report import pairs, table
from fdbrokerd.client.client import DEFAULT_TIMEOUT_SECONDS, Client
from fdbrokerd.client.escape import escape
from fdbrokerd.errors import EX_NOPERM, Error, UsageError
from fdbrokerd.rules.settings import PATH
from fdbrokerd.version import __version__

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.verb(options)
    except Error as error:
        print(escape(f"fdbrokerctl: {error}", keep="\n"), file=sys.stderr)
        return error.exit_status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fdbrokerctl",
        description="Ask and manage the descriptor broker.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    _asking(verbs, "list", _list, "what this process may get")
    _asking(verbs, "whoami", _whoami, "who the broker takes this process for")
    explain = _asking(verbs, "explain", _explain, "whether this process may do something, and why")
    explain.add_argument("resource", metavar="RESOURCE")
    explain.add_argument("arguments", metavar="ARG=VALUE", nargs="*")
    explain.add_argument("--do", metavar="VERB", help='what to do with it; "get" unless given')
    _asking(verbs, "ping", _ping, "whether the broker answers")
    _asking(verbs, "status", _status, "how the broker is (for administrators)")
    _asking(verbs, "reload", _reload, "read the rules again (for administrators)")
    files = _verb(verbs, "check", check, "check settings and rules on files, without a broker")
    files.add_argument(
        "paths", metavar="PATH", nargs="*", help="rule files, or directories of them"
    )
    files.add_argument(
        "--config", metavar="FILE", help=f"the settings; {PATH}, where it is, unless given"
    )
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[Parser]",
    name: str,
    run: Callable[[Options], int],
    says: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=says, description=f"Tell {says}.", allow_abbrev=False)
    parser.set_defaults(verb=run)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _asking(
    verbs: "argparse._SubParsersAction[Parser]",
    name: str,
    run: Callable[[Options], int],
    says: str,
) -> argparse.ArgumentParser:
    """Add a verb that asks the broker."""
    parser = _verb(verbs, name, run, says)
    parser.add_argument("--socket", metavar="ADDRESS", help="@NAME, a path or fd:N")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=DEFAULT_TIMEOUT_SECONDS)
    parser.add_argument("--server-uid", metavar="UID", type=int, help="who may answer beside root")
    return parser


def _client(options: Options) -> Client:
    return Client(options.socket, timeout_seconds=options.timeout, server_uid=options.server_uid)


def _print(options: Options, values: object, text: str) -> int:
    """Print a result as JSON or as text, whatever the broker wrote in it."""
    if options.json:
        print(json.dumps(values, indent=2))
    elif text:
        print(escape(text, keep="\n"))
    return 0


def _list(options: Options) -> int:
    with _client(options) as broker:
        items = broker.list()
    rows = [(item.name, item.kind, item.state, str(item.holders)) for item in items]
    text = table(("NAME", "KIND", "STATE", "HOLDERS"), rows) if rows else ""
    return _print(options, [dict(item.fields) for item in items], text)


def _whoami(options: Options) -> int:
    with _client(options) as broker:
        peer = broker.who_am_i()
    return _print(options, dict(peer.fields), describe_peer(peer))


def _explain(options: Options) -> int:
    """Exit with the status that getting it would have, so that a script can ask first."""
    with _client(options) as broker:
        answer = broker.explain(options.resource, _arguments(options.arguments), options.do)
    verdict = "allowed" if answer.allowed else "denied"
    values = {"allowed": answer.allowed, "text": answer.text}
    text = answer.text if answer.text.startswith(verdict) else f"{verdict}: {answer.text}"
    _print(options, values, text)
    return 0 if answer.allowed else EX_NOPERM


def _arguments(words: Sequence[str]) -> Mapping[str, str]:
    given: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise UsageError(f"not of the form ARG=VALUE: {word!r}")
        if name in given:
            raise UsageError(f"argument {name} is given twice")
        given[name] = value
    return given


def _ping(options: Options) -> int:
    with _client(options) as broker:
        info = broker.ping()
    return _print(options, dict(info), f"{info.get('product')} {info.get('version')}")


def _status(options: Options) -> int:
    with _client(options) as broker:
        status = broker.status()
    return _print(options, dict(status), pairs(status))


def _reload(options: Options) -> int:
    with _client(options) as broker:
        broker.reload()
    return _print(options, {}, "")


if __name__ == "__main__":
    sys.exit(main())
