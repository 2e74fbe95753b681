# SPDX-License-Identifier: MIT
"""`fdbrokerctl explain`: whether somebody may do something, and why.

Asks the broker, which tells everybody about themselves and administrators about anybody. With
`--rules` it reads files instead and needs no broker. The exit status is the one that getting it
would have, so that a script can ask first.
"""

import os

from fdbrokerd.accounts import user_name
from fdbrokerd.cli.files import ruleset_of
from fdbrokerd.cli.options import arguments_of
from fdbrokerd.cli.pretence import pretence
from fdbrokerd.cli.verb import (
    Options,
    Verbs,
    add_request,
    add_rules,
    asking,
    client_of,
    show,
)
from fdbrokerd.client.facts import Explanation
from fdbrokerd.errors import EX_NOPERM, UsageError
from fdbrokerd.explanation import explain
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.naming import names_user
from fdbrokerd.peer import of_process


def add_explain(verbs: Verbs) -> None:
    """Add the verb."""
    parser = asking(verbs, "explain", _run, "whether somebody may do something, and why")
    add_request(parser, needed=False)
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--as",
        dest="pretended",
        metavar="KEY=VALUE,…",
        help="as a peer that is made up: user=alice,group=adm+video,unit=x.service "
        "(for administrators, or with --rules)",
    )
    who.add_argument("--pid", type=int, help="as a process that runs (likewise)")
    who.add_argument("--request", metavar="ID", help="a denial of the recent past (likewise)")
    add_rules(parser)


def _run(options: Options) -> int:
    _check(options)
    allowed, text = _on_files(options) if options.rules else _by_broker(options)
    show(options, {"allowed": allowed, "text": text}, text)
    return 0 if allowed else EX_NOPERM


def _check(options: Options) -> None:
    if options.request is None:
        if options.resource is None:
            raise UsageError("RESOURCE is missing")
    elif options.resource is not None or options.do is not None:
        raise UsageError("--request says by itself what was asked for")
    elif options.rules:
        raise UsageError("--request is known to the broker only, so not with --rules")


def _on_files(options: Options) -> tuple[bool, str]:
    ruleset = ruleset_of(options.rules)
    given = arguments_of(options.arguments)
    resource = ruleset.resources.get(resource_of(options.resource))
    arguments = given if resource is None else resource.complete(given)
    peer = _peer(options)
    user = user_name(peer.uid) if resource is not None and names_user(resource) else None
    request = Request(options.do or "get", options.resource, arguments)
    return explain(ruleset, peer, request, user)


def _peer(options: Options) -> Peer:
    """Return the peer that is asked about: this very process, unless the options say another."""
    if options.pretended is not None:
        return pretence(options.pretended).peer()
    return of_process(os.getpid() if options.pid is None else options.pid)


def _by_broker(options: Options) -> tuple[bool, str]:
    arguments, do = arguments_of(options.arguments), options.do
    with client_of(options) as broker:
        if options.request is not None:
            answer = broker.explain_request(options.request)
        elif options.pretended is not None:
            told = pretence(options.pretended).wire()
            answer = broker.explain_as(options.resource, arguments, do, told)
        elif options.pid is not None:
            answer = broker.explain_pid(options.resource, arguments, do, options.pid)
        else:
            answer = broker.explain(options.resource, arguments, do)
            return answer.allowed, _of_oneself(answer)
    return answer.allowed, answer.text


def _of_oneself(answer: Explanation) -> str:
    """Return the short answer that everybody gets, with the verdict before it."""
    verdict = "allowed" if answer.allowed else "denied"
    return answer.text if answer.text.startswith(verdict) else f"{verdict}: {answer.text}"
