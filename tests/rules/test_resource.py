# SPDX-License-Identifier: MIT
"""The section `resources`: each mistake at its place, and what an argument becomes."""

import pytest

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.argument import Argument, Choice, Integer, Pattern
from fdbrokerd.model.resource import Resource
from fdbrokerd.rules.loader import load_text

from .said import mistakes

LOG = "kind: file, path: /var/log/x, access: append"


def resource(body: str) -> Resource:
    ruleset = load_text(f"fdbroker: 1\nresources:\n  it: {{{body}}}\n", "f.yaml")
    return ruleset.resources["it"]


def refusals(body: str) -> list[str]:
    return mistakes(f"fdbroker: 1\nresources:\n  it: {{{body}}}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: {}", "f.yaml:1:1: a file starts with `fdbroker: 1`"),
        ("resources: {}\nfdbroker: 1", "f.yaml:1:1: a file starts with `fdbroker: 1`"),
        ("fdbroker: 2", "f.yaml:1:11: fdbroker: this version reads format 1 only"),
        ("fdbroker: [1]", "f.yaml:1:11: fdbroker: this version reads format 1 only"),
        ("[]", "f.yaml:1:1: must be a mapping, `key: value`"),
        ("fdbroker: 1\nresource: {}", "unknown key 'resource'; did you mean resources?"),
        ("fdbroker: 1\nresources:", "f.yaml:2:11: must be a mapping, `key: value`"),
        ("fdbroker: 1\nresources: []", "f.yaml:2:12: must be a mapping, `key: value`"),
        ("fdbroker: 1\nresources: {a/b: {kind: pty}}", "f.yaml:2:13: 'a/b' cannot be a resource's"),
        ("fdbroker: 1\nresources: {it: pty}", "f.yaml:2:17: must be a mapping"),
        ("fdbroker: 1\nresources: {it: {}}", "f.yaml:2:17: kind is missing: one of eventfd"),
        (
            "fdbroker: 1\nresources: {it: {kind: fil}}",
            "f.yaml:2:24: kind: 'fil' is not one of eventfd, file,",
        ),
        ("fdbroker: 1\nresources: {it: {kind: [pty]}}", "f.yaml:2:24: kind: '' is not one of"),
    ],
)
def test_refused_around_it(text: str, said: str) -> None:
    assert said in mistakes(text)[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("kind: pty, ownr: root", "3:19: unknown key 'ownr'; did you mean owner?"),
        ("kind: pty, lease: 1", "3:19: unknown key 'lease'"),
        ("kind: pty, mode: 0620", "3:25: mode: '0620' must be in quotes"),
        ("kind: pty, mode: '620'", "3:25: mode: '620' is not four octal digits"),
        ("kind: pty, mode: '0680'", "3:25: mode: '0680' is not four octal digits"),
        ("kind: pty, mode: '4755'", "3:25: mode: set-user-id, set-group-id and sticky bits"),
        ("kind: pty, mode: ", "mode: is empty"),
        ("kind: pty, mode: ''", "3:25: mode: is empty"),
        ("kind: pty, mode: ['0620']", "3:25: mode: must be a single value"),
        ("kind: pty, owner: no-such-user-1", "3:26: owner: there is no user 'no-such-user-1'"),
        ("kind: pty, owner: no", "3:26: owner: there is no user 'no'"),
        ("kind: pty, owner: nobody", "3:26: owner: 65534 is what the kernel shows"),
        ("kind: pty, owner: 65534", "3:26: owner: 65534 is what the kernel shows"),
        ("kind: pty, owner: 4294967295", "3:26: owner: 4294967295 is more than an id can be"),
        ("kind: pty, owner: '${group}'", "3:26: owner: '${group}' is unknown; the peer's own is"),
        ("kind: pty, group: '${user}'", "3:26: group: '${user}' is unknown; the peer's own is"),
        ("kind: pty, group: no-such-group-1", "3:26: group: there is no group"),
        ("kind: file, access: read", "3:7: path is missing"),
        ("kind: file, path: /x", "3:7: access is missing"),
        ("kind: file, path: x, access: raed", "3:37: access: 'raed' is not one of read, write"),
        (f"{LOG}, create: {{mode: 0640}}", "3:69: mode: '0640' must be in quotes"),
        (f"{LOG}, create: {{owner: root}}", "3:62: create: mode is missing"),
        (f"{LOG}, create: '0640'", "3:62: create: must be a mapping"),
        ("kind: file, path: /x, access: read, deliver: snapshot, max-size: 10:30", "is not a size"),
        ("kind: file, path: /x, access: read, deliver: snapshot, max-size: 0", "'0' is not a size"),
        ("kind: file, path: /x, access: read, deliver: snapshot, max-size: 9999G", "is more than"),
    ],
)  # fmt: skip
def test_refused_keys(body: str, said: str) -> None:
    assert said in refusals(body)[0]


def test_a_kind_refuses_at_its_key() -> None:
    (said,) = refusals("kind: file, access: read, create: {mode: '0640'}, path: /x")
    assert said.startswith("f.yaml:3:42: create: ")
    (said,) = refusals("kind: file, access: read, path: '${user}/x'")
    assert said.startswith("f.yaml:3:40: path: ")


def test_every_mistake_of_a_resource_is_told() -> None:
    said = refusals("kind: pty, mode: 0620, owner: no-such-user-1, color: red")
    assert [one.split(":")[2] for one in said] == ["25", "38", "54"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("{}", "arguments: is empty"),
        ("{a: {}}", "a: says one of enum, pattern and type"),
        ("{a: {enum: [x], pattern: y}}", "a: says one of enum, pattern and type"),
        ("{a: {enum: []}}", "is an empty list"),
        ("{a: {enum: [x, x]}}", "enum: 'x' is there twice"),
        ("{a: {enum: [x/y]}}", "enum: 'x/y' holds a '/'"),
        ("{a: {enum: ['..']}}", "enum: '..' is not a name"),
        ("{a: {pattern: '('}}", "pattern: is not a regular expression"),
        ("{a: {pattern: '(a+)+'}}", "pattern: could take too long"),
        ("{a: {type: float}}", "type: 'float' is not one of integer, name"),
        ("{a: {type: name, range: 1-2}}", "range: goes with type: integer"),
        ("{a: {enum: [x], range: 1-2}}", "range: goes with type: integer"),
        ("{a: {type: integer, range: 2-1}}", "range: the range 2-1 ends before it begins"),
        ("{a: {type: integer, range: x}}", "range: 'x' is not a range"),
        ("{a: {enum: [x], default: y}}", "default: 'y' is not one of x"),
        ("{a: {type: integer, range: 1-2, default: 3}}", "default: '3' is not a number from 1"),
        ("{a: {pattern: '[a-z]+', default: x9}}", "default: 'x9' does not match [a-z]+"),
        ("{a: {type: name, default: a/b}}", "default: 'a/b' holds a '/'"),
        ("{user: {enum: [x]}}", "user: ${user} is the peer's own"),
        ("{9a: {enum: [x]}}", "'9a' cannot be a name"),
        ("{a.b: {enum: [x]}}", "'a.b' cannot be a name"),
        ("{preset: {enum: [cooked]}}", "preset: the kind has this argument"),
        ("{preset: {pattern: raw}}", "preset: the kind has this argument"),
        ("{rows: {type: integer}}", "rows: the kind has this argument"),
        ("{a: {enum: [x], of: y}}", "unknown key 'of'"),
    ],
)  # fmt: skip
def test_refused_arguments(declared: str, said: str) -> None:
    assert said in refusals(f"kind: pty, arguments: {declared}")[0]


def test_arguments() -> None:
    made = resource(
        "kind: pty, arguments: {part: {enum: [a, b], default: a}, port: {type: integer, "
        "range: 1-65535}, any: {type: integer}, host: {pattern: '[a-z]+'}, name: {type: name}, "
        "preset: {enum: [raw], default: raw}, rows: {type: integer, range: 1-100}}"
    ).arguments
    assert made["part"] == Argument(Choice(("a", "b")), "a")
    assert made["port"] == Argument(Integer(1, 65535))
    assert made["preset"] == Argument(Choice(("raw",)), "raw")
    assert made["rows"] == Argument(Integer(1, 100))
    assert made["columns"].type == Integer(0, 65535)
    assert made["name"].problem("any-thing.at_all 1") is None
    assert made["any"].problem("4294967295") is None


@pytest.mark.parametrize("value", ["abc\n", "\nabc", "ABC", "ab1", ""])
def test_patterns_match_all_of_a_value(value: str) -> None:
    host = resource("kind: pty, arguments: {host: {pattern: '[a-z]+'}}").arguments["host"]
    assert isinstance(host.type, Pattern)
    assert host.problem("abc") is None
    assert host.problem(value) is not None


def test_defaults_are_filled_in() -> None:
    made = resource("kind: pty, arguments: {preset: {enum: [raw], default: raw}}")
    assert made.complete({"rows": "9"}) == {"rows": "9", "preset": "raw"}
    with pytest.raises(InvalidArgument):
        made.complete({"preset": "no-echo"})


def test_numbers_and_words_mean_what_is_written() -> None:
    """A path of `no`, `0640` or `10:30` stays that, where YAML 1.1 has False, 416 and 630."""
    for word in ("no", "0640", "10:30"):
        made = resource(f"kind: pty, arguments: {{a: {{enum: [{word}], default: {word}}}}}")
        assert made.arguments["a"].default == word
