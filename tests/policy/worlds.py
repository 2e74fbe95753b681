# SPDX-License-Identifier: MIT
"""Peers, rules and requests for hypothesis: from few words, so that they meet often.

They are drawn from pools that are made once, by chance but always the same: to build each of them
by strategies takes a hundred times as long as what is tested.
"""

from random import Random

from hypothesis import strategies as st
from msgspec.structs import replace

from fdbrokerd.model.argument import Argument, ArgumentLimit, Choice
from fdbrokerd.model.facts import KEYS, UNKNOWN, Fact, Facts
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.match import FactMatch, PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer
from fdbrokerd.model.resource import Place, Request, Resource
from fdbrokerd.model.rule import Effect, Limit, Rule
from fdbrokerd.model.ruleset import Ruleset

NOWHERE = Place("f.yaml", 1, 1)
VERBS = ("get", "put")

_POOL = 3000
_NUMBERS = (0, 1, 2, 3, 4, UNMAPPED_ID)
_VALUES: tuple[Fact, ...] = ("a.service", "b.service", "/a/b", "/a", None, UNKNOWN)
_KEYS = ("unit", "unit", "unit", *KEYS)
"""A rule is filed under its unit."""

_ABOUT = (
    ("r",), ("s",), ("*",), ("r", "s"), ("[r]",), ("h",), ("h/a*",), ("h/**",), ("*/b",),
    ("h/a?", "r"), ("h/**/b", "h/a*"),
)  # fmt: skip
"""What rules are about: `h` holds items."""

_GLOBS = ("a.service", "b.service", "*", "a*", "/a/b", "/a/**", "/**")


def _peer(chance: Random) -> Peer:
    uid, gid, *groups = chance.choices(_NUMBERS, k=chance.randint(2, 4))
    facts = Facts(*chance.choices(_VALUES, k=len(KEYS)))
    return Peer(1, uid, gid, frozenset({gid, *groups}), facts, chance.random() < 0.3)


def _ranges(chance: Random) -> IdRanges:
    pairs = [sorted(chance.choices(range(5), k=2)) for _ in range(chance.randint(1, 3))]
    return IdRanges(tuple((low, high) for low, high in pairs))


def _match(chance: Random, depth: int) -> PeerMatch:
    """Return a match with about one condition, inner ones included, and often none."""

    def some(likely: float) -> range:
        return range(1 if chance.random() < likely else 0)

    deeper = 0.0 if depth == 0 else 0.3
    return PeerMatch(
        uids=tuple(_ranges(chance) for _ in some(0.3)),
        gids=tuple(_ranges(chance) for _ in some(0.3)),
        facts=tuple(
            FactMatch(chance.choice(_KEYS), tuple(chance.sample(_GLOBS, chance.randint(1, 2))))
            for _ in some(0.5)
        ),
        any_of=tuple(
            tuple(_match(chance, depth - 1) for _ in range(chance.randint(1, 3)))
            for _ in some(deeper)
        ),
        none_of=tuple(
            _match(chance, depth - 1) for _ in some(deeper) for _ in range(chance.randint(1, 2))
        ),
    )


def _rule(chance: Random, effect: Effect, number: int) -> Rule:
    return Rule(
        id=f"{effect.value}-{number}",
        effect=effect,
        resources=chance.choice(_ABOUT),
        verbs=frozenset(chance.choices(VERBS, k=2)),
        peer=_match(chance, 2),
        arguments={
            name: ArgumentLimit(frozenset(chance.choices("12", k=2)))
            for name in chance.sample("xy", chance.choice([0, 0, 0, 1, 2]))
        },
        limit=chance.choice([None, Limit(held=3)]),
        hint="No." if effect is Effect.DENY and number % 2 else None,
        place=Place(chance.choice(["a.yaml", "b.yaml"]), chance.randint(1, 9), 1),
    )


_chance = Random(3)  # noqa: S311 (no secrets)
PEERS = st.sampled_from([_peer(_chance) for _ in range(_POOL)])
MATCHES = st.sampled_from([_match(_chance, 2) for _ in range(_POOL)])
ALLOWS = st.sampled_from([_rule(_chance, Effect.ALLOW, number) for number in range(_POOL)])
DENIES = st.sampled_from([_rule(_chance, Effect.DENY, number) for number in range(_POOL)])
RULE_LISTS = st.lists(ALLOWS | DENIES, max_size=6, unique_by=lambda rule: rule.id)

_ARGUMENT = Argument(Choice(("1", "2")))
RESOURCES = (
    Resource("r", "pty", {"x": _ARGUMENT, "y": _ARGUMENT}, None, NOWHERE),
    Resource("s", "pty", {"x": _ARGUMENT}, None, NOWHERE),
    Resource("h", "memfd", {"x": _ARGUMENT}, None, NOWHERE, Holding(makes=True)),
)
REQUESTS = st.sampled_from(
    [
        Request(verb, resource, arguments)
        for verb in (*VERBS, "no-such-verb")
        for resource in ("r", "s", "no-such-resource", "h", "h/a1", "h/b", "h/a1/b", "r/b")
        for arguments in ({}, {"x": "1"}, {"x": "2"}, {"y": "1"}, {"x": "1", "y": "2"})
    ]
)

HIDEABLE = ("uid", "gid", "namespace", *KEYS)


def world(rules: list[Rule]) -> Ruleset:
    """Return the rules, compiled, about the three resources."""
    return Ruleset.of(RESOURCES, rules)


def without(peer: Peer, key: str) -> Peer:
    """Return the peer with one thing made unknown."""
    if key == "uid":
        return replace(peer, uid=UNMAPPED_ID)
    if key == "gid":
        return replace(peer, gid=UNMAPPED_ID, groups=frozenset({UNMAPPED_ID}))
    if key == "namespace":
        return replace(peer, foreign=True)
    unknown: Fact = UNKNOWN
    return replace(peer, facts=replace(peer.facts, **{key.replace("-", "_"): unknown}))
