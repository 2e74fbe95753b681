# SPDX-License-Identifier: MIT
"""Reasons: they come to the verdict of the decision, and name what is in the way."""

import pytest
from hypothesis import given, settings

from fdbrokerd.explanation import explain
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import objection
from fdbrokerd.policy import decide
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.pretended import Pretence
from fdbrokerd.trace import consider, nearest

from .worlds import PEERS, REQUESTS, RULE_LISTS, world

often = settings(max_examples=150, deadline=None)


@given(RULE_LISTS, PEERS, REQUESTS)
@often
def test_what_is_considered_comes_to_the_verdict(
    rules: list[Rule], peer: Peer, request: Request
) -> None:
    verdict = decide(world(rules), peer, request)
    considered = consider(world(rules), peer, request)
    held = {
        effect: {one.rule.id for one in considered if one.takes_part and one.rule.effect is effect}
        for effect in Effect
    }
    assert held[Effect.ALLOW] == {rule.id for rule in verdict.allows}
    assert held[Effect.DENY] == {rule.id for rule in verdict.denies}


@given(RULE_LISTS, PEERS, REQUESTS)
@often
def test_every_rule_about_the_resource_is_told_in_the_order_of_the_files(
    rules: list[Rule], peer: Peer, request: Request
) -> None:
    considered = consider(world(rules), peer, request)
    about = {
        rule.id
        for rule in rules
        if (name := resource_of(request.resource)) in "rsh" and rule.concerns(name)
    }
    assert {one.rule.id for one in considered} == about
    places = [(one.rule.place.file, one.rule.place.line) for one in considered]
    assert places == sorted(places)
    for one in considered:
        assert one.takes_part or one.obstacles
        if one.takes_part:
            assert all(obstacle.unknown for obstacle in one.obstacles)
            assert one.rule.effect is Effect.DENY or not one.obstacles


@given(RULE_LISTS, PEERS, REQUESTS)
@often
def test_a_text_says_the_verdict_and_what_would_change_it(
    rules: list[Rule], peer: Peer, request: Request
) -> None:
    allowed, text = explain(world(rules), peer, request)
    resource = world(rules).resources.get(resource_of(request.resource))
    refused = None if resource is None else objection(resource, request, peer, None)
    assert allowed is (decide(world(rules), peer, request).allowed and refused is None)
    assert ("=> allowed by" in text) is allowed
    assert ("to allow it:" in text) is not allowed
    for rule in rules:
        if resource_of(request.resource) in "rsh" and rule.covers(request.resource):
            assert f"{rule.effect.value} {rule.id}: " in text


RULES = """\
fdbroker: 1
resources:
  tls: {kind: pty, arguments: {part: {enum: [key, chain], default: chain}}}
rules:
- {id: mail, allow: tls, with: {part: key}, peer: {unit: [postfix.service, dovecot.service]}}
- {id: alice, allow: tls, peer: {uid: 1000, gid: 7-9, not: {cgroup: "/**/build-*/**"}}}
- {id: either, allow: tls, with: {part: chain}, peer: {any: [{uid: 5, gid: 5}, {container: "*"}]}}
- {id: no-builds, deny: tls, peer: {cgroup: "/**/build-*/**"}, hint: Not here.}
- {id: never-put, deny: tls, with: {part: key}, peer: {uid: 13}}
"""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_text(RULES, "f.yaml")


def obstacles(
    ruleset: Ruleset, rule: str, peer: Peer, part: str = "key", verb: str = "get"
) -> list[str]:
    (one,) = [
        one
        for one in consider(ruleset, peer, Request(verb, "tls", {"part": part}))
        if one.rule.id == rule
    ]
    return list(map(str, one.obstacles))


def peer(uid: int | None = None, *gids: int, **facts: str) -> Peer:
    return Pretence(uid, gids, facts).peer()


@pytest.mark.parametrize(
    ("rule", "who", "said"),
    [
        ("mail", peer(1, 1, unit="znc.service"),
         ["unit: wants postfix.service or dovecot.service, found znc.service"]),
        ("mail", peer(1, 1), ["unit: wants postfix.service or dovecot.service, found none"]),
        ("mail", Peer(1, 1, 1, frozenset({1})),
         ["unit: wants postfix.service or dovecot.service, found unknown"]),
        ("mail", peer(1, 1, unit="postfix.service"), []),
        ("alice", peer(1000, 8), []),
        ("alice", peer(1001, 6, 10),
         ["uid: wants 1000, found 1001", "gid: wants 7-9, found 6, 10"]),
        ("alice", peer(65534, 8), ["uid: wants 1000, found 65534 (not mapped here)"]),
        ("alice", peer(1000, 8, cgroup="/x/build-1"),
         ["not: wants that it does not hold, found that it holds"]),
        ("alice", Peer(1, 1000, 8, frozenset({8})),
         ["not: wants that it does not hold, found that it is unknown"]),
        ("alice", peer(1000, 8, container="podman:x"),
         ["container: wants container or unit in the rule, found a foreign namespace"]),
        ("either", peer(4, 5), ["with.part: wants chain, found key", "any.uid: wants 5, found 4"]),
        ("either", peer(5, 5), ["with.part: wants chain, found key"]),
    ],
)  # fmt: skip
def test_obstacles_name_key_wanted_and_found(
    ruleset: Ruleset, rule: str, who: Peer, said: list[str]
) -> None:
    assert obstacles(ruleset, rule, who) == said


def test_the_request_can_be_the_obstacle(ruleset: Ruleset) -> None:
    mail = peer(1, 1, unit="postfix.service")
    assert obstacles(ruleset, "mail", mail, "chain") == ["with.part: wants key, found chain"]
    assert obstacles(ruleset, "mail", mail, verb="put") == ["do: wants get, found put"]


def test_a_deny_that_holds_on_what_is_unknown_says_so(ruleset: Ruleset) -> None:
    _, text = explain(ruleset, Peer(1, 1, 1, frozenset({1})), Request("get", "tls", {}))
    assert "deny no-builds: holds, since cgroup: wants /**/build-*/**, found unknown" in text
    assert "nothing known of its process" in text


def test_an_unknown_group_is_told_by_what_is_unknown() -> None:
    text = RULES.replace("{uid: 13}", "{any: [{uid: 13}, {unit: a.service, slice: b.slice}]}")
    rules = load_text(text, "f.yaml")
    stranger = Peer(1, 1, 1, frozenset({1}))
    request = Request("get", "tls", {"part": "key"})
    (one,) = [one for one in consider(rules, stranger, request) if one.rule.id == "never-put"]
    assert one.takes_part
    assert [obstacle.key for obstacle in one.obstacles] == ["any.unit", "any.slice"]
    assert "never-put" in decide(rules, stranger, request).rule_ids


def test_the_nearest_allow_is_the_one_with_the_fewest_obstacles(ruleset: Ruleset) -> None:
    request = Request("get", "tls", {"part": "key"})
    near = nearest(consider(ruleset, peer(1000, 3, unit="x.service"), request))
    assert near is not None
    assert near.rule.id == "mail"
    near = nearest(consider(ruleset, peer(1000, 3), Request("get", "tls", {"part": "chain"})))
    assert near is not None
    assert (near.rule.id, str(near.obstacles[0])) == ("alice", "gid: wants 7-9, found 3")


def test_an_explanation_in_full(ruleset: Ruleset) -> None:
    allowed, text = explain(
        ruleset, peer(7, 7, cgroup="/a/build-1/b"), Request("get", "tls", {"part": "key"})
    )
    assert not allowed
    assert text.splitlines() == [
        "get tls part=key",
        "  by uid 7, groups 7, cgroup /a/build-1/b",
        "  f.yaml:",
        "    5: allow mail: does not hold; "
        "unit: wants postfix.service or dovecot.service, found none",
        "    6: allow alice: does not hold; uid: wants 1000, found 7",
        "    7: allow either: does not hold; with.part: wants chain, found key",
        "    8: deny no-builds: holds",
        "    9: deny never-put: does not hold; uid: wants 13, found 7",
        "=> denied by no-builds",
        "   to allow it: no-builds (f.yaml:8:3) must not hold",
        "   to allow it: in mail (f.yaml:5:3), "
        "unit: wants postfix.service or dovecot.service, found none",
    ]


def test_an_unknown_resource_and_one_without_rules(ruleset: Ruleset) -> None:
    assert "there is no such resource" in explain(ruleset, peer(1), Request("get", "x", {}))[1]
    bare = load_text("fdbroker: 1\nresources: {pty: {kind: pty}}\n", "f.yaml")
    assert "write a rule that allows it" in explain(bare, peer(1), Request("get", "pty", {}))[1]


STORE = """\
fdbroker: 1
resources:
  slots: {kind: store, names: "${user}/**"}
  pad: {kind: memfd}
rules:
- {id: web, allow: slots/root/web-*, do: [get, put], peer: {uid: [0, 5]}}
- {id: all, allow: slots, do: [get, list], peer: {uid: 0}}
- {id: no-db, deny: [slots/*/db/**, pad/db], do: get}
"""


@pytest.fixture(scope="module")
def store() -> Ruleset:
    return load_text(STORE, "f.yaml")


def told(store: Ruleset, verb: str, name: str, uid: int, user: str | None) -> tuple[bool, str]:
    return explain(store, peer(uid, uid), Request(verb, name, {}), user)


def test_a_rule_about_other_items_is_told_with_what_it_is_about(store: Ruleset) -> None:
    allowed, text = told(store, "put", "slots/root/db", 0, "root")
    assert not allowed
    assert text.splitlines()[3:] == [
        "    6: allow web: does not hold; allow: wants slots/root/web-*, found slots/root/db",
        "    7: allow all: does not hold; do: wants get or list, found put",
        "    8: deny no-db: does not hold; do: wants get, found put",
        "=> denied: no rule allows it",
        "   to allow it: in web (f.yaml:6:3), allow: wants slots/root/web-*, found slots/root/db",
    ]
    assert told(store, "put", "slots/root/web-1", 0, "root")[0]
    assert "=> denied by no-db" in told(store, "get", "slots/root/db", 0, "root")[1]
    assert (
        "no-db: does not hold; deny: wants slots/*/db/**, found slots/root/x"
        in told(store, "get", "slots/root/x", 0, "root")[1]
    )


def test_a_name_that_the_peer_cannot_have_is_denied_whatever_the_rules_say(store: Ruleset) -> None:
    """Of uid 5 whose user is `alice` the rule `web` would let it have root's."""
    assert decide(store, peer(5, 5), Request("put", "slots/root/web-1", {})).allowed
    for user in ("alice", None):
        allowed, text = told(store, "put", "slots/root/web-1", 5, user)
        assert not allowed
        assert text.splitlines()[-2:] == [
            "=> denied: not by a rule but by the name",
            "   to allow it: its name must be of ${user}/** (slots, f.yaml:3:3)",
        ]
        assert "slots/root/web-1 is not a name that slots holds for you" in text
    # A deny that holds is told as well.
    assert "=> denied by no-db\n" in told(store, "get", "slots/alice/db", 0, "root")[1]


@pytest.mark.parametrize(
    ("verb", "name", "said"),
    [
        ("get", "slots", "slots is no item: say slots/NAME"),
        ("get", "slots/root/../x", "slots/root/../x is not a name: levels of letters"),
        ("get", "slots/", "slots/ is not a name"),
        ("remove", "pad", "pad is no item: say pad/NAME"),
    ],
)
def test_what_is_no_item_is_said_to_be_none(
    store: Ruleset, verb: str, name: str, said: str
) -> None:
    allowed, text = told(store, verb, name, 0, "root")
    assert not allowed
    assert said in text
    assert "to allow it:" in text
    assert told(store, "list", "slots", 0, "root")[0]


def test_what_is_about_all_items_is_allowed_for_some() -> None:
    rules = STORE + "- {id: see, allow: slots/*/web, do: watch, peer: {uid: 5}}\n"
    seeing = load_text(rules, "f.yaml")
    allowed, text = told(seeing, "watch", "slots", 5, "alice")
    assert allowed
    assert text.endswith("\n=> allowed by see, for some of its items")
    assert not told(seeing, "watch", "slots", 6, "bob")[0]
    assert not told(seeing, "watch", "pad", 5, "alice")[0]
