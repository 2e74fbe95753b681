# SPDX-License-Identifier: MIT
"""Who can: the rules that may concern a request, in words."""

import pytest
from hypothesis import given, settings

from fdbrokerd.description import described
from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.rule import Rule
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import objection
from fdbrokerd.policy import decide
from fdbrokerd.rules.loader import load_text
from fdbrokerd.who_can import who_can, who_can_text

from .worlds import PEERS, REQUESTS, RULE_LISTS, world

RULES = """\
fdbroker: 1
resources:
  tls: {kind: pty, arguments: {domain: {type: name}, part: {enum: [key, chain], default: chain}}}
  tty: {kind: pty}
  bare: {kind: pty}
rules:
- {id: mail, allow: tls, with: {domain: mail, part: key}, peer: {unit: [a.service, b@*.service]}}
- {id: people, allow: "t*", peer: {uid: [1000-59999, 0], gid: 5}, limit: {held: 4, rate: 30/min}}
- {id: some, allow: "t*", with: {domain: old}, peer: {any: [{uid: 1}, {slice: x.slice}]}}
- {id: not-from-builds, deny: "*", peer: {cgroup: /b/**, not: [{uid: 0}, {gid: 0}]}, hint: No.}
- {id: never-old, deny: tls, with: {domain: old}}
- {id: closed, deny: bare}
"""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_text(RULES, "f.yaml")


def ids(ruleset: Ruleset, resource: str, verb: str = "get", **arguments: str) -> list[str]:
    return [entry.rule for entry in who_can(ruleset, verb, resource, arguments)]


def test_arguments_that_are_not_given_are_open(ruleset: Ruleset) -> None:
    assert ids(ruleset, "tls") == ["mail", "people", "some", "not-from-builds", "never-old"]
    assert ids(ruleset, "tls", part="chain") == ["people", "some", "not-from-builds", "never-old"]
    assert ids(ruleset, "tls", domain="mail") == ["mail", "people", "not-from-builds"]
    # It has no argument of that name, so the rule cannot be about it.
    assert ids(ruleset, "tty") == ["people", "not-from-builds"]
    assert ids(ruleset, "tls", verb="put") == []
    assert ids(ruleset, "no-such-thing") == []


def test_arguments_that_cannot_be_are_refused(ruleset: Ruleset) -> None:
    with pytest.raises(InvalidArgument):
        who_can(ruleset, "get", "tls", {"part": "kye"})
    with pytest.raises(InvalidArgument):
        who_can(ruleset, "get", "tty", {"domain": "old"})


def test_a_text(ruleset: Ruleset) -> None:
    assert who_can_text(ruleset, "get", "tls", {"part": "key"}).splitlines() == [
        "get tls part=key",
        "  allowed: unit a.service or b@*.service, with domain=mail (mail, f.yaml:7:3)",
        "  allowed: uid 1000-59999 or 0, gid 5, at most 4 at once, 30/min, per uid"
        " (people, f.yaml:8:3)",
        "  allowed: ((uid 1) or (slice x.slice)), with domain=old (some, f.yaml:9:3)",
        "  except: cgroup /b/**, not (uid 0), not (gid 0) (not-from-builds, f.yaml:10:3): No.",
        "  except: everybody, with domain=old (never-old, f.yaml:11:3)",
    ]


def test_a_deny_for_everybody_says_so(ruleset: Ruleset) -> None:
    text = who_can_text(ruleset, "get", "tls", {"domain": "old"})
    assert "  nobody: never-old denies it to everybody\n" in text
    assert "  except: everybody (never-old, f.yaml:11:3)" in text
    assert "nobody: no rule allows it" in who_can_text(ruleset, "get", "bare", {})
    assert "there is no such resource" in who_can_text(ruleset, "get", "x", {})


def test_everybody_is_told() -> None:
    assert described(PeerMatch()) == "everybody"


@given(RULE_LISTS, PEERS, REQUESTS)
@settings(max_examples=150, deadline=None)
def test_nobody_can_who_is_not_told_of(rules: list[Rule], peer: Peer, request: Request) -> None:
    ruleset = world(rules)
    verdict = decide(ruleset, peer, request)
    resource = ruleset.resources.get(resource_of(request.resource))
    if resource is None or not set(request.arguments) <= set(resource.arguments):
        return
    if objection(resource, request, peer, None) and "/" in request.resource:
        assert who_can(ruleset, request.verb, request.resource, {}) == ()
        return
    for arguments in ({}, request.arguments):
        told = {one.rule for one in who_can(ruleset, request.verb, request.resource, arguments)}
        assert {rule.id for rule in (*verdict.allows, *verdict.denies)} <= told
        assert who_can_text(ruleset, request.verb, request.resource, arguments)


STORE = """\
fdbroker: 1
resources:
  own: {kind: store, names: "${user}/**"}
  any: {kind: store}
  few: {kind: memfd, names: web-*}
rules:
- {id: web, allow: [own/*/web-*, any/web-*, few/web-?], peer: {uid: 1}}
- {id: all, allow: "*", do: [get, put], peer: {uid: 2}}
- {id: no-db, deny: "*/**/db"}
"""


@pytest.fixture(scope="module")
def store() -> Ruleset:
    return load_text(STORE, "f.yaml")


def test_items_are_told_by_the_rules_that_are_about_them(store: Ruleset) -> None:
    assert ids(store, "any/web-1") == ["web", "all"]
    assert ids(store, "any/web-1/x") == ["all"]
    assert ids(store, "any/a/db") == ["all", "no-db"]
    assert ids(store, "any/web-1", verb="put") == ["all"]
    assert ids(store, "few/web-1") == ["web", "all"]


@pytest.mark.parametrize(
    ("verb", "name", "why"),
    [
        ("get", "few/db-1", "is not a name that few holds for anybody: web-*"),
        ("get", "any/../x", "is not a name: levels of"),
        ("get", "any/" + "x" * 253, "is longer than 256 characters"),
        ("get", "own/a/b:c", "is not a name"),
        ("remove", "few/", "is not a name"),
    ],
)
def test_nobody_can_have_what_no_item_is_called(
    store: Ruleset, verb: str, name: str, why: str
) -> None:
    assert who_can(store, verb, name, {}) == ()
    (_, line) = who_can_text(store, verb, name, {}).splitlines()
    assert line.startswith(f"  nobody: it {why}")


def test_a_resource_without_an_item_leaves_it_open(store: Ruleset) -> None:
    assert who_can_text(store, "get", "any", {}).splitlines() == [
        "get any",
        "  allowed: uid 1, items web-* (web, f.yaml:7:3)",
        "  allowed: uid 2 (all, f.yaml:8:3)",
        "  except: everybody, items **/db (no-db, f.yaml:9:3)",
    ]
    assert "items web-?" in who_can_text(store, "get", "few", {})
    assert "nobody: no-db" in who_can_text(store, "get", "any/db", {})
    assert "nobody: no-db" not in who_can_text(store, "get", "any", {})


def test_names_that_are_the_peers_own_are_told(store: Ruleset) -> None:
    (web, every) = who_can(store, "get", "own/alice/web-1", {})
    assert (web.names, every.names) == ("${user}/**", "${user}/**")
    text = who_can_text(store, "put", "own/alice/x", {})
    assert "  allowed: uid 2, names ${user}/** (all, f.yaml:8:3)" in text
    assert "names" not in who_can_text(store, "get", "any/web-1", {})
