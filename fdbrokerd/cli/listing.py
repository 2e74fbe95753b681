# SPDX-License-Identifier: MIT
"""`fdbrokerctl list`: what this process may get, and what is held."""

import pwd
import time
from collections.abc import Iterable, Sequence

from fdbrokerd.cli.duration import shown
from fdbrokerd.cli.report import table
from fdbrokerd.cli.verb import Options, Verbs, asking, client_of, show
from fdbrokerd.client.escape import escape
from fdbrokerd.client.facts import Item
from fdbrokerd.client.offer import ONLY_NAME

_SHORT = ("NAME", "KIND", "STATE", "HOLDERS")
_LONG = ("NAME", "KIND", "STATE", "OWNER", "AGE", "EXPIRES", "HOLDERS", "WHAT")


def add_list(verbs: Verbs) -> None:
    """Add the verb."""
    parser = asking(verbs, "list", _run, "what this process may get, and what is held")
    parser.add_argument(
        "-l", "--long", action="store_true", help="who put it and when, until when, what it is"
    )


def _run(options: Options) -> int:
    with client_of(options) as broker:
        items = broker.list()
    now = int(time.time() * 1_000_000)
    text = long_table(items, now) if options.long else _short_table(items)
    return show(options, [dict(item.fields) for item in items], text)


def _short_table(items: Iterable[Item]) -> str:
    return _table(_SHORT, [(one.name, one.kind, one.state, str(one.holders)) for one in items])


def long_table(items: Iterable[Item], now_usec: int) -> str:
    """Return the table with everything that is told of an item."""
    rows = [
        (
            one.name,
            one.kind,
            one.state,
            "-" if one.owner is None else _user(one.owner),
            "-" if one.created_usec is None else _between(one.created_usec, now_usec),
            "-" if one.expires_usec is None else _deadline(now_usec, one.expires_usec),
            str(one.holders),
            _what(one),
        )
        for one in items
    ]
    return _table(_LONG, rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return the table with each cell in one line: peers choose names and addresses."""
    return table(head, [tuple(escape(cell) for cell in row) for row in rows]) if rows else ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _between(earlier_usec: int, later_usec: int) -> str:
    return shown((later_usec - earlier_usec) / 1_000_000)


def _deadline(now_usec: int, deadline_usec: int) -> str:
    return f"in {_between(now_usec, deadline_usec)}" if deadline_usec > now_usec else "now"


def _what(item: Item) -> str:
    """Return what the descriptors are, each with its name where that says anything."""
    held = item.descriptors
    if len(held) == 1 and held[0].name == ONLY_NAME:
        return held[0].what or held[0].type
    return ", ".join(f"{one.name}: {one.what or one.type}" for one in held) or "-"
