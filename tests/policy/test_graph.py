# SPDX-License-Identifier: MIT
"""Pictures: what is drawn, and that no name can be syntax."""

import html
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fdbrokerd.description import described
from fdbrokerd.graph import dot, mermaid
from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.match import FactMatch, PeerMatch
from fdbrokerd.model.resource import Resource
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import NOTHING, Ruleset
from fdbrokerd.rules.loader import load

from .dot_text import Drawing, read
from .worlds import NOWHERE, RULE_LISTS, world

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"

_LABEL = r'"(?P<label>(?:[^"#&<>`%\[\]{}|;\\\n:]|#[0-9]+;|<br/>)*)"'
_SQUARE = _LABEL.replace("label", "square")
_NODE = re.compile(rf"  (?P<name>(?:peer|resource)[0-9]+)(?:\({_LABEL}\)|\[{_SQUARE}\])")
_EDGE = re.compile(
    rf"  (?P<from>peer[0-9]+) (?P<arrow>-->|-\.->)\|{_LABEL}\| (?P<to>resource[0-9]+)"
)
_STYLE = re.compile(r"  linkStyle (?P<numbers>[0-9]+(?:,[0-9]+)*) stroke:red,color:red")


def read_mermaid(text: str) -> Drawing:
    """Return what a flowchart draws. Raises AssertionError for a line that is not written so."""
    first, *lines = text.split("\n")
    assert first == "flowchart LR"
    drawing, styled = Drawing(), ""
    for line in lines:
        if node := _NODE.fullmatch(line):
            label = node["label"] if node["square"] is None else node["square"]
            drawing.nodes[node["name"]] = {"label": _shown(label)}
        elif edge := _EDGE.fullmatch(line):
            looks = {"style": "dashed"} if edge["arrow"] == "-.->" else {}
            label = {"label": _shown(edge["label"])}
            drawing.edges.append((edge["from"], edge["to"], label | looks))
        else:
            style = _STYLE.fullmatch(line)
            assert style is not None, line
            assert not styled
            styled = style["numbers"]
    dashed = [str(at) for at, edge in enumerate(drawing.edges) if "style" in edge[2]]
    assert styled == ",".join(dashed)
    return drawing


def _shown(label: str) -> str:
    return html.unescape(re.sub(r"#([0-9]+);", r"&#\1;", label.replace("<br/>", "\n")))


def drawn(drawing: Drawing) -> tuple[list[str], list[tuple[str, str, str, bool]]]:
    """Return the labels of all nodes, and of all edges with their ends."""
    labels = {name: one["label"] for name, one in drawing.nodes.items()}
    return list(labels.values()), [
        (labels[one], labels[other], looks["label"], looks.get("style") == "dashed")
        for one, other, looks in drawing.edges
    ]


@given(RULE_LISTS)
@settings(max_examples=60, deadline=None)
def test_both_formats_draw_every_rule_about_every_resource(rules: list[Rule]) -> None:
    nodes, edges = drawn(read(dot(world(rules))))
    assert (nodes, edges) == drawn(read_mermaid(mermaid(world(rules))))
    assert len(set(nodes)) == len(nodes)
    assert sorted((who, what.split("\n")[1], label.split("\n")[0], deny)
                  for who, what, label, deny in edges) == sorted(
        (
            described(rule.peer),
            name,
            f"deny {rule.id}" if rule.effect is Effect.DENY else rule.id,
            rule.effect is Effect.DENY,
        )
        for rule in rules
        for name in "rsh"
        if rule.covers(name) or (name == "h" and rule.concerns(name))
    )  # fmt: skip


def test_the_same_rules_make_the_same_picture_in_any_order() -> None:
    ruleset = load([str(EXAMPLES)])
    other = Ruleset.of(reversed([*ruleset.resources.values()]), reversed(ruleset.rules))
    assert dot(ruleset) == dot(other)
    assert mermaid(ruleset) == mermaid(other)


def test_a_picture() -> None:
    peer = PeerMatch(facts=(FactMatch("unit", ("a.service",)),))
    rules = [
        Rule("in", Effect.ALLOW, ("r",), frozenset({"put", "get"}), peer,
             {"x": ArgumentLimit(frozenset({"1"}))}, None, None, NOWHERE),
        Rule("out", Effect.DENY, ("s",), frozenset({"get"}), PeerMatch(), {}, None, "h", NOWHERE),
    ]  # fmt: skip
    assert drawn(read(dot(world(rules)))) == (
        ["unit a.service", "everybody", "memfd\nh", "pty\nr", "pty\ns"],
        [
            ("unit a.service", "pty\nr", "in\ndo get, put\nwith x=1", False),
            ("everybody", "pty\ns", "deny out", True),
        ],
    )
    assert 'color="red"' in dot(world(rules))


def test_rules_about_items_say_which() -> None:
    about = ("h/a*", "r", "*/b/**")
    rules = [
        Rule("a", Effect.ALLOW, about, frozenset({"put"}), PeerMatch(), {}, None, None, NOWHERE)
    ]
    for drawing in (read(dot(world(rules))), read_mermaid(mermaid(world(rules)))):
        assert drawn(drawing)[1] == [
            ("everybody", "memfd\nh", "a\nitems a* or b/**\ndo put", False),
            ("everybody", "pty\nr", "a\ndo put", False),
        ]


def test_nothing_is_an_empty_picture() -> None:
    assert read(dot(NOTHING)) == Drawing()
    assert mermaid(NOTHING) == "flowchart LR"


NASTY = (
    'a"b', "a\\", 'a\\"b', "\\N\\G\\l", "[x]", "(x)", "{x}", "<b>x</b>", "a&amp;b", "&#35;", "#35;",
    "%%{init: {}}%%", "%% x", "a;b", "a|b|", "`x`", "end", "style x:y#1;", "héllo 漢字", "a\nb",
    "a\r\n\x1b[31m", "\u202etxt", "--> x", "x --> y", "\ud800", "1. x", "*x*", "$$x$$", "'",
)  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_no_name_is_syntax(name: str) -> None:
    check_name(name)


@given(st.text(st.characters() | st.sampled_from('"\\\\#&;%[]{}<>|`'), min_size=1, max_size=12))
@example("\\")
@settings(max_examples=60, deadline=None)
def test_no_text_is_syntax(name: str) -> None:
    check_name(name)


def check_name(name: str) -> None:
    """Check that a text is shown as it is, wherever it is, but for what does not print."""
    peer = PeerMatch(facts=(FactMatch("label", (name,)),))
    limits = {"x": ArgumentLimit(frozenset({name}))}
    rule = Rule("a", Effect.ALLOW, ("*",), frozenset({"get"}), peer, limits, None, None, NOWHERE)
    ruleset = Ruleset.of([Resource(name, name, {}, None, NOWHERE)], [rule])
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in name
    )
    for drawing in (read(dot(ruleset)), read_mermaid(mermaid(ruleset))):
        nodes, edges = drawn(drawing)
        assert nodes == [f"label {shown}", f"{shown}\n{shown}"]
        assert edges == [(*nodes, f"a\nwith x={shown}", False)]
    assert dot(ruleset).encode()
