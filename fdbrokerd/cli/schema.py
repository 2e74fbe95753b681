# SPDX-License-Identifier: MIT
"""`fdbrokerctl schema`: a JSON Schema of the files, for editors."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fdbrokerd.cli.verb import Options, Verbs, show, verb
from fdbrokerd.rules.schema import Schema, rules_schema, settings_schema

_OF: Mapping[str, Callable[[], Schema]] = MappingProxyType(
    {"rules": rules_schema, "settings": settings_schema}
)


def add_schema(verbs: Verbs) -> None:
    """Add the verb."""
    parser = verb(
        verbs, "schema", _run, "what the files may hold, for editors: a JSON Schema (2020-12)"
    )
    parser.add_argument(
        "of", metavar="rules|settings", nargs="?", choices=_OF, default="rules", help="which files"
    )


def _run(options: Options) -> int:
    schema = _OF[options.of]()
    return show(options, schema, json.dumps(schema, indent=2))
