# SPDX-License-Identifier: MIT
"""What holds for every decision, whoever asks and whatever the rules are."""

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.model.argument import with_holds
from fdbrokerd.model.facts import UNKNOWN, Facts
from fdbrokerd.model.match import FactMatch, PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import NOTHING
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.policy import decide, may

from .worlds import (
    ALLOWS,
    DENIES,
    HIDEABLE,
    MATCHES,
    NOWHERE,
    PEERS,
    REQUESTS,
    RULE_LISTS,
    without,
    world,
)

often = settings(max_examples=150, deadline=None)


def scan(rules: list[Rule], peer: Peer, request: Request) -> Verdict:
    """Decide as section 2 of the design says it, with a look at every rule."""
    held: dict[Effect, list[Rule]] = {Effect.ALLOW: [], Effect.DENY: []}
    for rule in sorted(rules, key=lambda rule: rule.id):
        if (
            rule.covers(request.resource)
            and resource_of(request.resource) in {"r", "s", "h"}
            and request.verb in rule.verbs
            and with_holds(rule.arguments, request.arguments)
        ):
            truth = rule.peer.holds(peer)
            if rule.effect is Effect.DENY and truth is not False:
                held[Effect.DENY].append(rule)
            if rule.effect is Effect.ALLOW and truth and rule.peer.admits(peer):
                held[Effect.ALLOW].append(rule)
    return Verdict(tuple(held[Effect.ALLOW]), tuple(held[Effect.DENY]))


@given(RULE_LISTS, PEERS, REQUESTS)
@often
def test_the_index_never_changes_a_verdict(rules: list[Rule], peer: Peer, request: Request) -> None:
    assert decide(world(rules), peer, request) == scan(rules, peer, request)


@given(PEERS, REQUESTS)
def test_without_rules_nobody_gets_anything(peer: Peer, request: Request) -> None:
    assert not decide(NOTHING, peer, request).allowed
    assert not decide(world([]), peer, request).allowed


@given(RULE_LISTS, DENIES, PEERS, REQUESTS)
@often
def test_an_added_deny_never_widens(
    rules: list[Rule], deny: Rule, peer: Peer, request: Request
) -> None:
    before = decide(world(rules), peer, request)
    after = decide(world([*rules, deny]), peer, request)
    assert before.allowed or not after.allowed


@given(RULE_LISTS, ALLOWS, PEERS, REQUESTS)
@often
def test_an_added_allow_never_narrows(
    rules: list[Rule], allow: Rule, peer: Peer, request: Request
) -> None:
    before = decide(world(rules), peer, request)
    after = decide(world([*rules, allow]), peer, request)
    assert after.allowed or not before.allowed


@given(RULE_LISTS, PEERS, REQUESTS, st.sampled_from(HIDEABLE))
@settings(max_examples=300, deadline=None)
def test_hiding_never_widens(rules: list[Rule], peer: Peer, request: Request, key: str) -> None:
    known = decide(world(rules), peer, request)
    hidden = decide(world(rules), without(peer, key), request)
    assert {one.id for one in hidden.allows} <= {one.id for one in known.allows}
    assert {one.id for one in hidden.denies} >= {one.id for one in known.denies}


@given(MATCHES, PEERS, st.sampled_from(HIDEABLE))
@often
def test_hiding_makes_nothing_true_that_was_not(match: PeerMatch, peer: Peer, key: str) -> None:
    before, after = match.holds(peer), match.holds(without(peer, key))
    assert after is None or after is before


@given(RULE_LISTS, PEERS, REQUESTS, st.randoms(use_true_random=False))
def test_order_never_matters(
    rules: list[Rule], peer: Peer, request: Request, chance: random.Random
) -> None:
    shuffled = list(rules)
    chance.shuffle(shuffled)
    assert decide(world(shuffled), peer, request) == decide(world(rules), peer, request)


@given(RULE_LISTS, PEERS, REQUESTS)
@often
def test_what_is_allowed_may_be_known(rules: list[Rule], peer: Peer, request: Request) -> None:
    ruleset = world(rules)
    if decide(ruleset, peer, request).allowed:
        assert may(ruleset, peer, request.verb, request.resource)


@given(MATCHES, MATCHES, PEERS)
@often
def test_what_includes_another_holds_wherever_that_does(
    wide: PeerMatch, narrow: PeerMatch, peer: Peer
) -> None:
    if wide.includes(narrow) and narrow.holds(peer):
        assert wide.holds(peer) is True


def rule(effect: Effect, match: PeerMatch) -> Rule:
    return Rule("r", effect, ("r",), frozenset({"get"}), match, {}, None, None, NOWHERE)


def allowed(match: PeerMatch, peer: Peer) -> bool:
    return decide(world([rule(Effect.ALLOW, match)]), peer, Request("get", "r", {})).allowed


HOME = FactMatch("unit", ("a.service",))
ALICE = PeerMatch(uids=(IdRanges(((1, 1),)),))


@pytest.mark.parametrize(
    ("match", "admitted"),
    [
        (ALICE, False),
        (PeerMatch(facts=(HOME,)), True),
        (PeerMatch(facts=(FactMatch("container", ("*",)),)), True),
        (PeerMatch(facts=(FactMatch("cgroup", ("/**",)),)), False),
        (PeerMatch(any_of=((ALICE, PeerMatch(facts=(HOME,))),)), True),
        (PeerMatch(any_of=((ALICE, PeerMatch(facts=(FactMatch("unit", ("z",)),))),)), False),
        # What must not hold says nothing of where the peer is.
        (PeerMatch(none_of=(PeerMatch(facts=(FactMatch("unit", ("z",)),)),)), False),
    ],
)  # fmt: skip
def test_a_foreign_peer_is_let_in_only_by_where_it_is(match: PeerMatch, *, admitted: bool) -> None:
    facts = Facts("a.service", None, "s", "/s/a.service", "podman:x", None, None)
    at_home = Peer(1, 1, 1, frozenset({1}), facts)
    assert allowed(match, at_home)
    foreign = Peer(1, 1, 1, frozenset({1}), facts, foreign=True)
    assert allowed(match, foreign) is admitted
    # A deny reaches it all the same.
    verdict = decide(world([rule(Effect.DENY, match)]), foreign, Request("get", "r", {}))
    assert verdict.denies


@pytest.mark.parametrize(
    ("match", "truth"),
    [
        (PeerMatch(), True),
        (PeerMatch(facts=(HOME,)), None),
        (PeerMatch(none_of=(PeerMatch(facts=(HOME,)),)), None),
        (PeerMatch(uids=(IdRanges(((2, 2),)),), facts=(HOME,)), False),
        (PeerMatch(any_of=((ALICE, PeerMatch(facts=(HOME,))),)), True),
        (PeerMatch(any_of=((PeerMatch(facts=(HOME,)), PeerMatch(facts=(HOME,))),)), None),
        (PeerMatch(none_of=(ALICE, PeerMatch(facts=(HOME,)))), False),
    ],
)
def test_unknown_is_neither_true_nor_false(match: PeerMatch, *, truth: bool | None) -> None:
    peer = Peer(1, 1, 1, frozenset({1}))
    assert peer.facts.unit is UNKNOWN
    assert match.holds(peer) is truth


@pytest.mark.parametrize("key", HIDEABLE)
def test_a_deny_is_not_lost_under_a_key_that_is_hidden(key: str) -> None:
    facts = Facts("a.service", None, "s", "/s/a.service", "podman:x", None, None)
    peer = without(Peer(1, 1, 1, frozenset({1}), facts), key)
    only = IdRanges(((1, 1),))
    for match in (PeerMatch(facts=(HOME,)), PeerMatch(uids=(only,)), PeerMatch(gids=(only,))):
        assert decide(world([rule(Effect.DENY, match)]), peer, Request("get", "r", {})).denies


def test_many_rules_that_do_not_concern_a_peer_are_not_looked_at() -> None:
    def mine(number: int) -> list[Rule]:
        unit, ids = f"u{number}.service", IdRanges(((number + 10, number + 10),))
        matches = (
            PeerMatch(facts=(FactMatch("unit", (unit,)),)),
            PeerMatch(uids=(ids,)),
            PeerMatch(gids=(ids,)),
        )
        return [
            Rule(f"r{number}-{index}", Effect.ALLOW, ("*",), frozenset({"get"}), match, {}, None,
                 None, NOWHERE)
            for index, match in enumerate(matches)
        ]  # fmt: skip

    ruleset = world(list(chain.from_iterable(map(mine, range(1000)))))
    facts = Facts("u7.service", None, None, "/", None, None, None)
    stranger = Peer(1, 5, 5, frozenset({5}), facts)
    assert [one.id for one in ruleset.concerning("r", stranger)] == ["r7-0"]
    hidden = Peer(1, UNMAPPED_ID, 5, frozenset({5}), facts)
    assert len(list(ruleset.concerning("r", hidden))) == 3000
