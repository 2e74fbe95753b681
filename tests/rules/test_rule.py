# SPDX-License-Identifier: MIT
"""The section `rules`: each mistake at its place, and what a rule becomes."""

import pytest

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import IdRanges, Peer
from fdbrokerd.model.rule import Effect, Limit, Per, Rate, Rule
from fdbrokerd.rules.loader import load_text

from .said import mistakes

RESOURCES = """\
fdbroker: 1
resources:
  pty: {kind: pty}
  tls:
    kind: pty
    arguments: {part: {enum: [key, chain]}, port: {type: integer, range: 1-100}, x: {type: name}}
  tty: {kind: pty, arguments: {x: {type: integer}}}
rules:
"""


def refusals(*rules: str) -> list[str]:
    """Return what is said of rules that begin in line 9."""
    return mistakes(RESOURCES + "".join(f"- {{{rule}}}\n" for rule in rules))


def rule(body: str) -> Rule:
    (made,) = load_text(RESOURCES + f"- {{{body}}}\n", "f.yaml").rules
    return made


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("allow: pty, peer: {uid: 0}", "9:3: id is missing"),
        ("id: a b, allow: pty, peer: {uid: 0}", "9:8: id: 'a b' cannot be an id"),
        ("id: a, peer: {uid: 0}", "9:3: a rule says one of allow and deny"),
        ("id: a, allow: pty, deny: pty", "9:3: a rule says one of allow and deny"),
        ("id: a, allow: pty", "9:3: peer is missing: an allow says who"),
        ("id: a, allow: pty, peer: {}", "9:29: peer: says nothing"),
        ("id: a, allow: pty, peer: root", "9:29: peer: must be a mapping"),
        ("id: a, allow: pyt, peer: {uid: 0}", "9:18: allow: there is no resource 'pyt'; did you m"),
        ("id: a, allow: [pty, 'x*'], peer: {uid: 0}", "9:24: allow: there is no resource 'x*'"),
        ("id: a, allow: [], peer: {uid: 0}", "9:18: allow: is an empty list"),
        ("id: a, allow: pty, do: put, peer: {uid: 0}", "9:27: do: pty cannot be used with 'put'"),
        ("id: a, deny: 't*', do: [get, put]", "9:33: do: t* cannot be used with 'put', only with"),
        ("id: a, deny: pty, lease: 5min", "9:22: unknown key 'lease'"),
        ("id: a, deny: pty, match: {uid: 0}", "9:22: unknown key 'match'"),
        ("id: a, allow: pty, peer: {unti: x.service}", "9:30: unknown key 'unti'; did you mean"),
        ("id: a, allow: pty, peer: {uid: 65534}", "9:35: uid: 65534 is what the kernel shows"),
        ("id: a, allow: pty, peer: {user: nobody}", "9:36: user: 65534 is what the kernel shows"),
        ("id: a, allow: pty, peer: {gid: [0, 65534]}", "9:39: gid: 65534 is what the kernel"),
        ("id: a, allow: pty, peer: {uid: 5-1}", "9:35: uid: the range 5-1 ends before it begins"),
        ("id: a, allow: pty, peer: {uid: 10:30}", "9:35: uid: '10:30' is not a number or a range"),
        ("id: a, allow: pty, peer: {uid: 0x10}", "9:35: uid: '0x10' is not a number or a range"),
        ("id: a, allow: pty, peer: {uid: 010}", "9:35: uid: '010' is not a number or a range"),
        ("id: a, allow: pty, peer: {uid: root}", "9:35: uid: 'root' is not a number or a range"),
        ("id: a, allow: pty, peer: {uid: 1-4294967295}", "9:35: uid: 4294967295 is more than"),
        ("id: a, allow: pty, peer: {user: 0}", "9:36: user: takes names; a number belongs to uid"),
        ("id: a, allow: pty, peer: {group: 0}", "9:37: group: takes names; a number belongs to gi"),
        ("id: a, allow: pty, peer: {user: 'r*'}", "9:36: user: 'r*': accounts are named exactly"),
        ("id: a, allow: pty, peer: {user: no-such-1}", "9:36: user: there is no user 'no-such-1'"),
        ("id: a, allow: pty, peer: {user: [root, no-such-1]}", "9:43: user: there is no user"),
        ("id: a, allow: pty, peer: {user: root, uid: 1-9}", "9:29: peer: nobody can be of this us"),
        ("id: a, deny: pty, with: {part: key}", "9:35: part: pty has no argument part"),
        ("id: a, deny: [tls, pty], with: {part: key}", "9:42: part: pty has no argument part"),
        ("id: a, deny: tls, with: {part: kye}", "9:35: part: 'kye' is not one of key, chain"),
        ("id: a, deny: tls, with: {part: []}", "9:35: part: is an empty list"),
        ("id: a, deny: tls, with: {port: 101}", "9:35: port: '101' is not a number from 1 to 100"),
        ("id: a, deny: tls, with: {port: [5, 90-101]}", "9:39: port: 90-101 is not within 1-100"),
        ("id: a, deny: tls, with: {port: 9-1}", "9:35: port: the range 9-1 ends before it begins"),
        ("id: a, deny: tls, with: {x: a/b}", "9:32: x: 'a/b' holds a '/'"),
        ("id: a, deny: 't*', with: {x: 1-2}", "9:33: x: 1-2 is a range for one resource and a wor"),
        ("id: a, deny: pty, limit: {held: 1}", "9:29: limit: goes with allow"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {per: uid}", "9:46: limit: says neither"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {held: 0}", "9:53: held: 0 is not from 1 to"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {held: '3'}", "9:53: held: is a number: write"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {rate: 30}", "9:53: rate: '30' is not a rate"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {rate: 1/week}", "9:53: rate: '1/week' is not"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {rate: 0/s}", "9:53: rate: '0/s' is not a rat"),
        ("id: a, allow: pty, peer: {uid: 0}, limit: {held: 1, per: unit}", "per: needs a peer wit"),
        ("id: a, allow: pty, peer: {uid: 0}, hint: x", "9:45: hint: goes with deny"),
        ("id: a, deny: pty, hint: " + "x" * 201, "9:28: hint: is longer than 200 characters"),
        ("id: a, deny: pty, hint: 'a\u00a0b'", "9:28: hint: holds a character that is not printab"),
    ],
)  # fmt: skip
def test_refused(body: str, said: str) -> None:
    first = refusals(body)[0]
    assert said in first


@pytest.mark.parametrize("section", ["", "[]", "{a: 1}", "x"])
def test_the_section_is_a_list(section: str) -> None:
    (said,) = mistakes(f"fdbroker: 1\nrules: {section}\n")
    assert "list" in said


def test_ids_are_unique() -> None:
    (said,) = refusals("id: a, deny: pty", "id: a, deny: tls")
    assert said == "f.yaml:10:3: the rule a is already in f.yaml:9:3"


def test_every_mistake_of_every_rule_is_told_in_order() -> None:
    said = refusals(
        "id: a, allow: pty, limit: {per: uid}, hint: x, do: put", "id: b, deny: nothing"
    )
    assert [one.split(":")[1:3] for one in said] == [
        ["9", "3"], ["9", "30"], ["9", "48"], ["9", "55"], ["10", "17"],
    ]  # fmt: skip


def test_rules_about_a_wrong_resource_are_not_wrong_for_that() -> None:
    (said,) = mistakes(
        "fdbroker: 1\nresources: {a: {kind: pty, mode: 0620}}\n"
        "rules:\n"
        "- {id: r, allow: a, with: {rows: 1}, peer: {uid: 0}}\n"
        "- {id: s, allow: a/x, do: put, peer: {uid: 0}}\n"
        "tests: [{as: {uid: 0}, get: a, expect: allow}]\n"
    )
    assert said.startswith("f.yaml:2:34: mode")


def test_a_rule() -> None:
    made = rule(
        "id: a-1, allow: [tls], do: [get], peer: {user: root, gid: [5, 7-9]}, with: {part: [key], "
        "port: [80, 1-9], x: 1-2}, limit: {held: 3, rate: 5/h, per: peer}"
    )
    assert made.id == "a-1"
    assert made.effect is Effect.ALLOW
    assert made.resources == ("tls",)
    assert made.verbs == {"get"}
    assert made.peer == PeerMatch((IdRanges(((0, 0),)),), (IdRanges(((5, 5), (7, 9))),))
    assert made.arguments == {
        "part": ArgumentLimit(frozenset({"key"})),
        "port": ArgumentLimit(frozenset({"80"}), ((1, 9),)),
        "x": ArgumentLimit(frozenset({"1-2"})),
    }
    assert made.limit == Limit(3, Rate(5, 3600), Per.PEER)
    assert str(made.place) == "f.yaml:9:3"


def test_a_deny_needs_no_peer() -> None:
    made = rule("id: a, deny: '*', hint: Not today.")
    assert made.hint == "Not today."
    assert made.peer.holds(Peer(1, 0, 0, frozenset({0}))) is True


@pytest.mark.parametrize(
    ("peer", "uid", "groups", "holds"),
    [
        ("uid: 1000-59999", 1000, {1000}, True),
        ("uid: 1000-59999", 59999, {1000}, True),
        ("uid: 1000-59999", 60000, {1000}, False),
        ("uid: '1000-59999'", 1000, {1000}, True),
        ("uid: [0, 5-6]", 6, {0}, True),
        ("uid: 0-70000", 65534, {0}, None),
        ("gid: 5", 1, {4, 5}, True),
        ("gid: 5", 1, {4, 65534}, None),
        ("group: root, gid: 5", 1, {0, 5}, True),
        ("group: root, gid: 5", 1, {5}, False),
        ("user: root, uid: 0-9", 0, {5}, True),
        ("user: root, uid: 0-9", 1, {5}, False),
        ("user: root, gid: 7", 0, {65534}, None),
        ("user: root, gid: 7", 1, {65534}, False),
    ],
)
def test_peers(peer: str, uid: int, groups: set[int], *, holds: bool | None) -> None:
    match = rule(f"id: a, allow: pty, peer: {{{peer}}}").peer
    assert match.holds(Peer(1, uid, min(groups), frozenset(groups))) is holds


@pytest.mark.parametrize(
    ("allow", "deny", "swallowed"),
    [
        ("allow: pty, peer: {uid: 0}", "deny: pty", True),
        ("allow: 'p*', peer: {uid: 0}", "deny: '*'", True),
        ("allow: [pty, tls], peer: {uid: 0}", "deny: pty", False),
        ("allow: pty, peer: {uid: 5}", "deny: pty, peer: {uid: [0-5, 9]}", True),
        ("allow: pty, peer: {uid: 5-9}", "deny: pty, peer: {uid: [5-7, 8-9]}", True),
        ("allow: pty, peer: {uid: 5-9}", "deny: pty, peer: {uid: [5-7, 9]}", False),
        ("allow: pty, peer: {uid: 5, gid: 7}", "deny: pty, peer: {gid: 7}", True),
        ("allow: pty, peer: {uid: 5}", "deny: pty, peer: {uid: 5, gid: 7}", False),
        ("allow: pty, peer: {gid: 7}", "deny: pty, peer: {uid: 7}", False),
        ("allow: pty, peer: {user: root, uid: 0-9}", "deny: pty, peer: {uid: [0, 0]}", True),
        ("allow: pty, peer: {uid: 0}", "deny: pty, peer: {user: root, uid: 0-9}", True),
        ("allow: pty, peer: {uid: 0-1}", "deny: pty, peer: {uid: 0}", False),
        ("allow: pty, peer: {gid: 0}", "deny: pty, peer: {uid: 0}", False),
        ("allow: tls, peer: {uid: 0}", "deny: tls, with: {part: key}", False),
        ("allow: tls, peer: {uid: 0}, with: {part: key}", "deny: tls", True),
    ],
)
def test_an_allow_that_a_deny_swallows(allow: str, deny: str, *, swallowed: bool) -> None:
    said = refusals(f"id: a, {allow}", f"id: d, {deny}")
    assert bool(said) is swallowed
    if swallowed:
        assert said == ["f.yaml:9:3: a never allows: d (f.yaml:10:3) denies all of it"]
