# SPDX-License-Identifier: MIT
r"""Who may get what, as a picture: text for Graphviz (dot(1)) and for Mermaid.

Peers, as each rule means them, are at the left, resources at the right. A line is a rule: an allow
is drawn through, a deny is red and dashed. The same ruleset always makes the same text, so that two
pictures can be compared. Both formats give letters in labels a meaning (`"`, `\`, `&`, `#`), and a
glob or an argument may hold any of them: labels are escaped, and nodes are named by numbers.
"""

from collections.abc import Iterator

from msgspec import Struct

from fdbrokerd.description import (
    described,
    described_arguments,
    described_items,
    described_limit,
)
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import Ruleset

_IN_MERMAID = frozenset(" ,./-=()")
"""What stands for itself in a quoted label, beside letters and digits. Not `:`, as in `style:`."""


class _Edge(Struct, frozen=True):
    """A rule about one resource, by the numbers of its ends."""

    peer: int
    resource: int
    deny: bool
    label: tuple[str, ...]


class _Picture(Struct, frozen=True):
    """Labels of peers and resources, each a few lines, and the edges between them."""

    peers: tuple[str, ...]
    resources: tuple[tuple[str, ...], ...]
    edges: tuple[_Edge, ...]


def dot(ruleset: Ruleset) -> str:
    """Return the picture in the language of Graphviz."""
    picture = _picture(ruleset)
    lines = [
        "digraph fdbrokerd {",
        '  graph [rankdir="LR"];',
        '  node [shape="box", fontname="sans-serif"];',
        '  edge [fontname="sans-serif"];',
    ]
    for number, who in enumerate(picture.peers):
        lines.append(f'  peer{number} [label={_dot(who)}, style="rounded"];')
    for number, label in enumerate(picture.resources):
        lines.append(f"  resource{number} [label={_dot(*label)}];")
    for edge in picture.edges:
        looks = ', color="red", fontcolor="red", style="dashed"' if edge.deny else ""
        ends = f"peer{edge.peer} -> resource{edge.resource}"
        lines.append(f"  {ends} [label={_dot(*edge.label)}{looks}];")
    return "\n".join([*lines, "}"])


def mermaid(ruleset: Ruleset) -> str:
    """Return the picture as a flowchart of Mermaid, which GitHub and others draw in Markdown."""
    picture = _picture(ruleset)
    lines = ["flowchart LR"]
    for number, who in enumerate(picture.peers):
        lines.append(f"  peer{number}({_mermaid(who)})")
    for number, label in enumerate(picture.resources):
        lines.append(f"  resource{number}[{_mermaid(*label)}]")
    for edge in picture.edges:
        arrow = "-.->" if edge.deny else "-->"
        ends = f"peer{edge.peer} {arrow}|{_mermaid(*edge.label)}| resource{edge.resource}"
        lines.append(f"  {ends}")
    denies = [str(number) for number, edge in enumerate(picture.edges) if edge.deny]
    if denies:
        lines.append(f"  linkStyle {','.join(denies)} stroke:red,color:red")
    return "\n".join(lines)


def _picture(ruleset: Ruleset) -> _Picture:
    """Return what is drawn; peers that are meant in the same words are one."""
    peers: dict[str, int] = {}
    resources = {name: number for number, name in enumerate(sorted(ruleset.resources))}
    edges = []
    for rule in ruleset.rules:
        peer = peers.setdefault(described(rule.peer), len(peers))
        edges += [
            _Edge(peer, number, rule.effect is Effect.DENY, tuple(_label(rule, name)))
            for name, number in resources.items()
            if rule.covers(name)
            or (rule.concerns(name) and ruleset.resources[name].holding is not None)
        ]
    labels = tuple((ruleset.resources[name].kind, name) for name in resources)
    return _Picture(tuple(peers), labels, tuple(edges))


def _label(rule: Rule, resource: str) -> Iterator[str]:
    yield f"{rule.effect.value} {rule.id}" if rule.effect is Effect.DENY else rule.id
    if items := described_items(rule, resource):
        yield f"items {items}"
    if rule.verbs != {"get"}:
        yield f"do {', '.join(sorted(rule.verbs))}"
    if rule.arguments:
        yield f"with {described_arguments(rule.arguments)}"
    if rule.limit is not None:
        yield f"at most {described_limit(rule.limit)}"


def _dot(*lines: str) -> str:
    r"""Return a quoted string: `\n` ends a line, and labels know HTML's entities (`&amp;`)."""
    escaped = (
        _printable(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
        for line in lines
    )
    return '"' + "\\n".join(escaped) + '"'


def _mermaid(*lines: str) -> str:
    """Return a quoted string: what could be syntax, HTML or Markdown is written as `#NUMBER;`."""
    escaped = (
        "".join(
            letter if letter.isalnum() or letter in _IN_MERMAID else f"#{ord(letter)};"
            for letter in _printable(line)
        )
        for line in lines
    )
    return f'"{"<br/>".join(escaped)}"'


def _printable(text: str) -> str:
    r"""Return the text with what does not print as `\x1b`: a label is one line."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
