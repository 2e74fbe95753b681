# SPDX-License-Identifier: MIT
"""`fdbrokerctl graph`: who may get what as a picture, from files."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fdbrokerd.cli.files import ruleset_of
from fdbrokerd.cli.verb import Options, Verbs, add_rules, show, verb
from fdbrokerd.graph import dot, mermaid
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.settings import PATH

_FORMATS: Mapping[str, Callable[[Ruleset], str]] = MappingProxyType(
    {"dot": dot, "mermaid": mermaid}
)


def add_graph(verbs: Verbs) -> None:
    """Add the verb."""
    parser = verb(verbs, "graph", _run, "who may get what, as text that draws a picture")
    parser.add_argument(
        "--format", choices=_FORMATS, default="dot", help="for Graphviz (dot -Tsvg), or for Mermaid"
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"the settings; {PATH}, where it is, unless given"
    )
    add_rules(parser)


def _run(options: Options) -> int:
    text = _FORMATS[options.format](ruleset_of(options.rules, options.config))
    return show(options, {"format": options.format, "text": text}, text)
