# SPDX-License-Identifier: MIT
"""`fdbrokerctl who-can`: who may do something, from the rules in force or from files."""

from fdbrokerd.cli.files import ruleset_of
from fdbrokerd.cli.options import arguments_of
from fdbrokerd.cli.verb import (
    Options,
    Verbs,
    add_request,
    add_rules,
    asking,
    client_of,
    show,
)
from fdbrokerd.who_can import Entry, who_can, who_can_text


def add_who_can(verbs: Verbs) -> None:
    """Add the verb."""
    says = "who may do something (for administrators, or with --rules)"
    parser = asking(verbs, "who-can", _run, says)
    add_request(parser, needed=True)
    add_rules(parser)


def _run(options: Options) -> int:
    arguments = arguments_of(options.arguments)
    if not options.rules:
        with client_of(options) as broker:
            text = broker.who_can(options.resource, arguments, options.do)
        return show(options, {"text": text}, text)
    ruleset = ruleset_of(options.rules)
    question = (ruleset, options.do or "get", options.resource, arguments)
    text = who_can_text(*question)
    entries = [_values(entry) for entry in who_can(*question)]
    return show(options, {"text": text, "entries": entries}, text)


def _values(entry: Entry) -> dict[str, object]:
    return {
        "effect": entry.effect.value,
        "rule": entry.rule,
        "who": entry.who,
        "items": entry.items,
        "names": entry.names,
        "with": entry.arguments,
        "limit": entry.limit,
        "hint": entry.hint,
        "file": entry.place.file,
        "line": entry.place.line,
        "column": entry.place.column,
    }
