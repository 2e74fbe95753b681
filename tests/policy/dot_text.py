# SPDX-License-Identifier: MIT
"""A strict reader of the part of Graphviz's language that is written here.

    digraph ID { (ID attributes | ID -> ID attributes)* }     attributes: [ID="…", …];

Python's own, so that the tests need no Graphviz.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'\s*(?:(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<sign>->|[\[\]{};,=]))'
)
_ENTITY = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"'}


@dataclass
class Drawing:
    """Attributes of nodes by their names, and of edges by their ends in order."""

    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    edges: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


def tokens(text: str) -> list[str]:
    """Return the tokens. Raises AssertionError for what is none."""
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None, f"no token: {text[at : at + 40]!r}"
        found.append(token[0].strip())
        at = token.end()
    return found


def read(text: str) -> Drawing:
    """Return what is drawn. Raises AssertionError for wrong syntax."""
    rest = tokens(text)[::-1]
    drawing = Drawing()
    for expected in ("digraph", "fdbrokerd", "{"):
        assert rest.pop() == expected
    while (name := rest.pop()) != "}":
        assert name.isidentifier(), name
        if rest[-1] == "->":
            rest.pop()
            drawing.edges.append((name, rest.pop(), _attributes(rest)))
        else:
            assert name not in drawing.nodes
            drawing.nodes[name] = _attributes(rest)
    assert not rest
    for defaults in ("graph", "node", "edge"):
        del drawing.nodes[defaults]
    assert {end for edge in drawing.edges for end in edge[:2]} <= set(drawing.nodes)
    return drawing


def _attributes(rest: list[str]) -> dict[str, str]:
    assert rest.pop() == "["
    found = {}
    while True:
        name = rest.pop()
        assert rest.pop() == "="
        found[name] = _shown(rest.pop())
        sign = rest.pop()
        if sign == "]":
            assert rest.pop() == ";"
            return found
        assert sign == ","


def _shown(quoted: str) -> str:
    """Return what a viewer sees: a string has an escape, a label others, and then entities."""
    assert quoted[0] == quoted[-1] == '"'
    escapes = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}
    text = re.sub(r"\\.", lambda found: escapes[found[0]], quoted[1:-1])
    assert not re.search(r"&(?!(?:amp|lt|gt|quot);)", text), text
    return re.sub(r"&\w+;", lambda found: _ENTITY[found[0]], text)
