# SPDX-License-Identifier: MIT
"""The JSON Schema: what it refuses, the loader refuses too."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import yaml
from jsonschema import Draft202012Validator

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules.document import Mapping, Node, Scalar, parse
from fdbrokerd.rules.schema import Schema, rules_schema, settings_schema

from .said import mistake_in_settings, mistakes

CONFIG = Path(__file__).parents[2] / "config"
RULE_FILES = sorted([*CONFIG.glob("rules.d/*"), *CONFIG.glob("examples/*")])

RULES = Draft202012Validator(rules_schema())
SETTINGS = Draft202012Validator(settings_schema())

FULL_SETTINGS = """\
fdbroker: 1
listen:
- {address: "@a", resources: [pty]}
- {address: /run/a, mode: "0666", resources: "*"}
rules-dirs: [/etc/a, /etc/b]
admins: {any: [{group: root}, {not: {uid: 1-9}, unit: a.service}]}
limits: {connections: 20, connections-per-uid: 10, message-seconds: 5, reply-seconds: 5}
audit: {journal: true, file: /var/log/a, required: false}
"""
FULL_RULES = """\
fdbroker: 1
resources:
  pty: {kind: pty, owner: root, group: 5, mode: "0620"}
  tls:
    kind: file
    arguments:
      a: {enum: [x, y], default: x}
      b: {type: integer, range: 1-9}
      c: {pattern: "[a-z]+"}
      d: {type: name}
    root: /etc
    path: x/${a}
    access: read
    deliver: snapshot
    max-size: 64K
  log: {kind: file, path: /var/log/x, access: append, create: {mode: "0640", owner: root, group: 0}}
  slots: {kind: store, names: "${user}/**", accept: [memfd, file], seals: grow, share: read-only,
    quota: {items: 8, descriptors: 9, metadata: 4K, per: store}, ttl: {default: 30s, max: 2h},
    on-hangup: drop}
  pad: {kind: memfd, size: 1M, seals: [grow, shrink], names: pad-*, quota: {items: 3}}
  bell: {kind: eventfd, initial: 3, semaphore: true, non-blocking: false}
  line: {kind: pipe, size: 4096, ends: shared, ttl: {max: 1d}}
  pair: {kind: socketpair, type: seqpacket, ends: once}
rules:
- {id: a, allow: [pty, "l*"], do: [get], peer: {user: root, uid: [0-9, 11], group: root, gid: 0},
   limit: {held: 3, rate: 30/min, per: uid}}
- {id: b, allow: tls, with: {a: [x, y], b: 1-3}, peer: {unit: x.service, exe: /bin/x}}
- {id: c, deny: "*", hint: no,
   peer: {any: [{uid: 7}, {any: {slice: x.slice}}], not: [{cgroup: /a/**}, {container: "*"}]}}
- {id: d, allow: [slots/web-*, "pa*/**"], do: [get, list], peer: {uid: 0}}
- {id: e, allow: slots, do: [put, take, remove, watch], peer: {uid: 0}}
- {id: f, allow: [line/a, pair], with: {end: [read, a]}, peer: {uid: 0}}
tests:
- {as: {uid: 4}, put: slots/x/y, expect: deny}
- {as: {user: root, gid: [1, 2], label: x}, get: pty, expect: allow}
- {as: {uid: 3, unit: x.service, exe: /bin/x}, get: tls, with: {a: x, b: "2"}, expect: allow}
"""


def core(node: Node) -> object:
    """Return what a parser of YAML 1.2 makes of a file (its core schema)."""
    if isinstance(node, Mapping):
        return {key.text: core(content) for key, content in node.entries}
    if isinstance(node, Scalar):
        return plain(node.text) if node.plain else node.text
    return [core(item) for item in node.items]


def plain(text: str) -> object:
    """Return what it makes of a scalar without quotes."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"} and text in {text.lower(), text.title(), text.upper()}:
        return text.lower() == "true"
    for pattern, base in ((r"[-+]?[0-9]+", 10), (r"0o[0-7]+", 8), (r"0x[0-9a-fA-F]+", 16)):
        if re.fullmatch(pattern, text):
            return int(text, base)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


def old(text: str) -> object:
    """Return what a parser of YAML 1.1 makes of a file, as JSON has it."""

    def date(value: object) -> str:
        assert isinstance(value, dt.date), value
        return value.isoformat()

    loaded = yaml.load(text, yaml.SafeLoader)  # noqa: TID251 (this is what editors do)
    return json.loads(json.dumps(loaded, default=date, skipkeys=True))


def refused_by_schema(validator: Draft202012Validator, text: str) -> list[str]:
    """Return what the schema says of a file that is YAML at all, however an editor reads it."""
    said = []
    readers: tuple[Callable[[], object], ...] = (
        lambda: core(parse(text.encode(), "f")),
        lambda: old(text),
    )
    for read in readers:
        try:
            instance = read()
        except (ConfigurationError, yaml.YAMLError, ValueError):
            continue
        said += [
            f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
            for error in validator.iter_errors(instance)
        ]
    return said


@pytest.mark.parametrize("schema", [rules_schema(), settings_schema()], ids=["rules", "settings"])
def test_it_is_a_schema(schema: Schema) -> None:
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    text = json.dumps(schema)
    for used in re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text):
        assert used in schema["$defs"]  # type: ignore[operator]


def described(schema: object) -> Iterator[bool]:
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield "description" in inner or name == "kind"
        for inner in schema.values():
            yield from described(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from described(inner)


def test_every_key_says_what_it_is() -> None:
    assert all(described(rules_schema()))
    assert all(described(settings_schema()))
    match = rules_schema()["$defs"]["peer"]["properties"]  # type: ignore[index]
    assert match["any"]["anyOf"][0] == {"$ref": "#/$defs/peer"}
    assert match["unit"]["description"].startswith("the peer's unit is one of these")


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_what_is_shipped_passes(path: Path) -> None:
    assert refused_by_schema(RULES, path.read_text()) == []


def test_settings_pass() -> None:
    assert refused_by_schema(SETTINGS, (CONFIG / "fdbrokerd.yaml").read_text()) == []
    assert mistake_in_settings(FULL_SETTINGS) == []
    assert refused_by_schema(SETTINGS, FULL_SETTINGS) == []


def test_every_key_passes() -> None:
    assert mistakes(FULL_RULES) == []
    assert refused_by_schema(RULES, FULL_RULES) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("fdbroker: 1", "fdbroker: 2"),
        ("resources:", "resource:"),
        ("kind: pty,", "kind: ptty,"),
        ("kind: pty,", ""),
        ("owner: root, group: 5", "path: /x"),
        ('"0620"', "0620"),
        ('"0620"', '"4620"'),
        ("access: read", "access: reed"),
        ("max-size: 64K", "max-size: 64KB"),
        ("range: 1-9", "range: 1-"),
        ("enum: [x, y]", "enum: []"),
        ("{type: name}", "{kind: name}"),
        ("allow: tls", "alow: tls"),
        ("peer: {unit: x.service, exe: /bin/x}", "limit: {held: 3}"),
        ('deny: "*"', 'deny: "*", allow: pty'),
        ("{id: b,", "{"),
        ("held: 3", "held: 0"),
        ("held: 3", "held: three"),
        ("rate: 30/min", "rate: 30/week"),
        ("per: uid", "per: user"),
        ("uid: [0-9, 11]", "uid: root"),
        ("any: {slice: x.slice}", "any: {slices: x.slice}"),
        ("not: [{cgroup", "not: [[{cgroup"),
        ("expect: allow", "expect: allowed"),
        ("{as: {uid: 3", "{is: {uid: 3"),
        ("get: pty, ", "gett: pty, "),
        ("hint: no", "hint: [no]"),
        ("accept: [memfd, file]", "accept: [memfd, epoll]"),
        ("default: 30s", "default: 30"),
        ("max: 2h", "max: 2hours"),
        ("items: 8", "items: 0"),
        ("per: store", "per: unit"),
        ("semaphore: true", "semaphore: 1"),
        ("initial: 3", "initial: -3"),
        ("ends: shared", "ends: many"),
        ("put: slots/x/y", "puts: slots/x/y"),
    ],
)
def test_it_refuses(before: str, after: str) -> None:
    text = FULL_RULES.replace(before, after, 1)
    assert text != FULL_RULES
    if "[[" in text:
        text = text.replace('{container: "*"}]', '{container: "*"}]]')
    assert refused_by_schema(RULES, text)
    assert mistakes(text)


@pytest.mark.parametrize("text", [
    "hint: 10", "hint: yes", "hint: ~", "hint: 2001-01-01", "hint: 0x1", "hint: .inf",
    "hint: 1_000", "hint: 10:30", "hint: 1e3", "hint: .nan", "hint: '1'",
])  # fmt: skip
def test_texts_may_look_like_anything(text: str) -> None:
    changed = FULL_RULES.replace("hint: no", text)
    assert mistakes(changed) == []
    assert refused_by_schema(RULES, changed) == []


MUTATIONS = 120
"""Of each kind of file. Some thousand were tried when this was written."""

SCALARS = (
    "x", "0", "7", "-1", "010", "0x10", "1_000", "1.0", "1e3", "10:30", "true", "no", "on", "~",
    "null", "''", "'7'", '"0640"', "0640", "1-9", "'1-9'", "64K", "4096", "30/min", "2001-01-01",
    "root", "pty", "${user}", "/etc/x", "x.service", "'*'", "[x]", "[]", "{}", "{uid: 0}", "[1, 2]",
    "[[x]]", "[{uid: 0}, {gid: 0}]", "allow", "read", "snapshot", "get", "65534", "4294967295",
    "99999999999999999999", "'@a'",
    "30s", "5min", "slots/a", "memfd", "grow", "${uid}/*", ".inf", "!!str x", "|-\n   x", "'a\\nb'",
)  # fmt: skip
KEYS = (
    "id", "allow", "deny", "do", "peer", "with", "limit", "hint", "held", "rate", "per", "uid",
    "user", "unit", "any", "not", "exe", "kind", "mode", "owner", "path", "root", "access", "gid",
    "create", "arguments", "enum", "type", "range", "default", "as", "get", "put", "expect", "x",
    "names", "accept", "seals", "quota", "ttl", "items", "share", "size", "take", "ends", "max",
    "1", "no", "listen", "address", "admins", "audit", "journal", "connections", "1.5", "~",
)  # fmt: skip

_TOKEN = re.compile(r'"[^"\n]*"|\$\{\w+\}|[A-Za-z0-9@/.*_-]+(?: (?=\n))?')


def mutated(text: str, chance: Random) -> str:
    """Return a file with one or two words changed: keys, values, what is between brackets."""
    for _ in range(chance.randint(1, 2)):
        found = list(_TOKEN.finditer(text))
        one = chance.choice(found)
        is_key = text[one.end() : one.end() + 1] == ":"
        words = KEYS if is_key else SCALARS
        word = chance.choice(
            [*words, one[0], "" if chance.random() < 0.3 else chance.choice(words)]
        )
        text = text[: one.start()] + word + text[one.end() :]
    return text


@pytest.mark.parametrize(
    ("full", "validator", "load"),
    [(FULL_RULES, RULES, mistakes), (FULL_SETTINGS, SETTINGS, mistake_in_settings)],
    ids=["rules", "settings"],
)
def test_it_is_never_stricter(
    full: str, validator: Draft202012Validator, load: Callable[[str], list[str]]
) -> None:
    chance = Random(7)  # noqa: S311 (no secrets)
    counts = {"both": 0, "loader": 0, "neither": 0}
    for _ in range(MUTATIONS):
        text = mutated(full, chance)
        refused = load(text)
        said = refused_by_schema(validator, text)
        assert refused or not said, f"{said}\n{text}"
        counts["both" if said else "loader" if refused else "neither"] += 1
    # It is worth having only if it finds a good part of what is wrong, and lets what is right pass.
    assert counts["both"] > MUTATIONS / 5
    assert counts["neither"]
