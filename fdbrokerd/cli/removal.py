# SPDX-License-Identifier: MIT
"""`fdbrokerctl remove`: items are removed, one after the other, as rm(1) does."""

import sys

from fdbrokerd.cli.verb import Options, Verbs, asking, client_of, show
from fdbrokerd.client.escape import escape
from fdbrokerd.errors import CallError, NoAnswer


def add_remove(verbs: Verbs) -> None:
    """Add the verb."""
    parser = asking(verbs, "remove", _run, "remove items")
    parser.add_argument("items", metavar="ITEM", nargs="+", help="RESOURCE/ITEM")


def _run(options: Options) -> int:
    """Remove what can be removed; return the status of the first that could not."""
    status = 0
    removed = []
    with client_of(options) as broker:
        for item in options.items:
            try:
                broker.remove(item)
            except NoAnswer:
                raise  # and so would the others
            except CallError as error:
                text = str(error) if item in str(error) else f"{item}: {error}"
                print(f"fdbrokerctl: {escape(text)}", file=sys.stderr)
                status = status or error.exit_status
            else:
                removed.append(item)
    show(options, {"removed": removed}, "")
    return status
