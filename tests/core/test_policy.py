# SPDX-License-Identifier: MIT
"""The decision, by properties: order never matters, nothing fails open, no rules is nobody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import NOTHING, Ruleset
from fdbrokerd.policy import decide, may

from .made import PLACE, a_peer, a_request, a_resource, a_rule, uids

RESOURCES = [a_resource(name, "pty", None) for name in ("pty", "pts", "file")]

ids = st.sampled_from([0, 1, 2, 1000, UNMAPPED_ID])
ranges = st.lists(st.tuples(ids, ids).map(lambda two: (min(two), max(two))), max_size=2).map(
    lambda pairs: IdRanges(tuple(pairs))
)
matches = st.builds(
    PeerMatch,
    st.lists(ranges, max_size=2).map(tuple),
    st.lists(ranges, max_size=2).map(tuple),
)
limits = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.builds(
        ArgumentLimit,
        st.frozensets(st.sampled_from(["x", "y"]), max_size=1),
        st.sampled_from([(), ((1, 5),)]),
    ),
    max_size=2,
)
rules = st.builds(
    Rule,
    id=st.text("abc", min_size=1, max_size=4),
    effect=st.sampled_from(Effect),
    resources=st.sampled_from([("pty",), ("p*",), ("*",), ("file", "pts"), ("[",)]),
    verbs=st.sampled_from([frozenset({"get"}), frozenset({"put"}), frozenset({"get", "put"})]),
    peer=matches,
    arguments=limits,
    limit=st.none(),
    hint=st.none() | st.just("hint"),
    place=st.just(PLACE),
)
peers = st.builds(Peer, st.just(1), ids, ids, st.frozensets(ids, max_size=3)).map(
    lambda peer: replace(peer, groups=peer.groups | {peer.gid})
)
requests = st.builds(
    Request,
    st.sampled_from(["get", "put", "zz"]),
    st.sampled_from(["pty", "pts", "file", "missing", ""]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "3", "9", "²"])),
)
several = st.lists(rules, max_size=6)


def allowed(of: list[Rule], peer: Peer, request: Request) -> bool:
    return decide(Ruleset.of(RESOURCES, of), peer, request).allowed


@settings(max_examples=80, deadline=None)
@given(several, peers, requests)
def test_it_never_raises_and_needs_an_allow_without_a_deny(
    of: list[Rule], peer: Peer, request: Request
) -> None:
    verdict = decide(Ruleset.of(RESOURCES, of), peer, request)
    assert verdict.allowed is (bool(verdict.allows) and not verdict.denies)
    assert all(rule.effect is Effect.ALLOW for rule in verdict.allows)
    assert all(rule.effect is Effect.DENY for rule in verdict.denies)
    assert set(verdict.rule_ids) == {rule.id for rule in verdict.denies or verdict.allows}


@settings(max_examples=80, deadline=None)
@given(several, rules, peers, requests)
def test_one_rule_more_moves_one_way(
    of: list[Rule], rule: Rule, peer: Peer, request: Request
) -> None:
    before, after = allowed(of, peer, request), allowed([*of, rule], peer, request)
    if rule.effect is Effect.DENY:
        assert after <= before, "a deny never widens"
    else:
        assert after >= before, "an allow never narrows"


@settings(max_examples=80, deadline=None)
@given(several, peers, requests, st.data())
def test_what_is_unknown_never_widens(
    of: list[Rule], peer: Peer, request: Request, data: st.DataObject
) -> None:
    hidden = data.draw(st.sets(st.sampled_from(sorted({peer.uid, *peer.groups}))))
    unknown = Peer(
        peer.pid,
        UNMAPPED_ID if peer.uid in hidden else peer.uid,
        peer.gid,
        frozenset(UNMAPPED_ID if gid in hidden else gid for gid in peer.groups),
    )
    assert allowed(of, unknown, request) <= allowed(of, peer, request)


@settings(max_examples=50, deadline=None)
@given(several, peers, requests, st.randoms(use_true_random=False))
def test_order_never_matters(of: list[Rule], peer: Peer, request: Request, random: object) -> None:
    shuffled = list(of)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert allowed(of, peer, request) is allowed(shuffled, peer, request)


@settings(max_examples=80, deadline=None)
@given(several, peers, requests)
def test_whoever_is_allowed_may_know(of: list[Rule], peer: Peer, request: Request) -> None:
    ruleset = Ruleset.of(RESOURCES, of)
    if decide(ruleset, peer, request).allowed:
        assert may(ruleset, peer, request.verb, request.resource)


@given(peers, requests)
def test_no_rules_is_nobody(peer: Peer, request: Request) -> None:
    assert not decide(NOTHING, peer, request).allowed
    assert not may(NOTHING, peer, request.verb, request.resource)
    assert not allowed([], peer, request)


def test_root_is_nobody_too() -> None:
    assert not allowed([], a_peer(0), a_request("pty"))
    assert not allowed([a_rule("r", "pty", peer=uids(1000))], a_peer(0), a_request("pty"))


ALLOW_1 = a_rule("a", "pty", peer=uids(1))
ALLOW_ALL = a_rule("a", "p*")
ALLOW_ANY = a_rule("a", "pty", peer=PeerMatch())
DENY_1 = a_rule("d", "pty", deny=True, peer=uids(1))


@pytest.mark.parametrize(
    ("name", "of", "uid", "expected"),
    [
        ("an allow of nobody else", [ALLOW_1], 2, False),
        ("an allow", [ALLOW_1], 1, True),
        ("a deny beside it", [ALLOW_ALL, DENY_1], 1, False),
        ("a deny of another", [ALLOW_ALL, DENY_1], 2, True),
        (
            "an unknown peer allowed",
            [a_rule("a", "pty", peer=uids(UNMAPPED_ID))],
            UNMAPPED_ID,
            False,
        ),
        ("an unknown peer allowed by nothing of it", [ALLOW_ANY], UNMAPPED_ID, True),
        ("an unknown peer denied", [ALLOW_ANY, DENY_1], UNMAPPED_ID, False),
    ],
)
def test_verdicts(name: str, of: list[Rule], uid: int, expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert allowed(of, a_peer(uid), a_request("pty")) is expected, name


def test_a_hint_is_that_of_a_rule_which_denies() -> None:
    of = [
        a_rule("allow", "pty", hint="not this"),
        a_rule("deny", "pty", deny=True),
        a_rule("deny2", "pty", deny=True, hint="this"),
    ]
    verdict = decide(Ruleset.of(RESOURCES, of), a_peer(), a_request("pty"))
    assert (verdict.hint, verdict.rule_ids) == ("this", ("deny", "deny2"))
