# SPDX-License-Identifier: MIT
"""Resources that hold items, and rules and tests about items: each mistake at its place."""

import os
import pwd

import pytest

from fdbrokerd.model.holding import (
    READ_ONLY_TYPES,
    TYPES,
    Holding,
    ItemNames,
    Quota,
    QuotaPer,
    Ttl,
)
from fdbrokerd.rules.loader import load_text

from .said import mistakes

MAKING = {"memfd": "memfd", "eventfd": "eventfd", "pipe": "pipe", "socketpair": "socket"}


def holding(body: str) -> Holding:
    """Return how the resource `it` holds items."""
    ruleset = load_text(f"fdbroker: 1\nresources:\n  it: {{{body}}}\n", "f.yaml")
    found = ruleset.resources["it"].holding
    assert found is not None
    return found


def refusals(body: str) -> list[str]:
    return mistakes(f"fdbroker: 1\nresources:\n  it: {{{body}}}\n")


def test_a_store_holds_anything_unless_it_says_otherwise() -> None:
    assert holding("kind: store") == Holding()
    made = holding(
        'kind: store, names: "x/${user}/**", accept: [memfd, socket], seals: [grow, write], '
        "quota: {items: 3, descriptors: 7, metadata: 2K, per: store}, ttl: {default: 90s, max: 2h},"
        " on-hangup: drop, share: dup"
    )
    assert made == Holding(
        names=ItemNames(("x/", "user", "/**")),
        accept=frozenset({"memfd", "socket"}),
        seals=frozenset({"grow", "write"}),
        quota=Quota(3, 7, 2048, QuotaPer.STORE),
        ttl=Ttl(90, 7200),
        drop_on_hangup=True,
    )


@pytest.mark.parametrize(("kind", "sort"), MAKING.items())
def test_what_a_get_makes_is_held_by_the_same_keys(kind: str, sort: str) -> None:
    ends = kind in {"pipe", "socketpair"}
    assert holding(f"kind: {kind}") == Holding(accept=frozenset({sort}), makes=True, once=ends)
    made = holding(
        f"kind: {kind}, names: a-*, quota: {{items: 3, per: store}}, ttl: {{max: 1d}}"
        + (", ends: shared" if ends else "")
    )
    assert made == Holding(
        names=ItemNames(("a-*",)),
        accept=frozenset({sort}),
        quota=Quota(items=3, per=QuotaPer.STORE),
        ttl=Ttl(86400, 86400),
        makes=True,
    )


@pytest.mark.parametrize(
    ("text", "ttl"),
    [
        ("{default: 5min}", Ttl(300, None)),
        ("{max: 5min}", Ttl(300, 300)),
        ("{default: 5min, max: 300s}", Ttl(300, 300)),
        ("{max: 3650d}", Ttl(315_360_000, 315_360_000)),
    ],
)
def test_who_says_nothing_holds_no_longer_than_anybody(text: str, ttl: Ttl) -> None:
    assert holding(f"kind: store, ttl: {text}").ttl == ttl


def test_what_only_reads_can_be_made_of_some_types_only() -> None:
    made = holding("kind: store, share: read-only")
    assert (made.read_only, made.accept) == (True, READ_ONLY_TYPES)
    made = holding("kind: store, share: read-only, accept: memfd")
    assert (made.read_only, made.accept) == (True, frozenset({"memfd"}))
    for sort in set(TYPES) - READ_ONLY_TYPES:
        (said,) = refusals(f"kind: store, share: read-only, accept: [file, {sort}]")
        assert said == (
            f"f.yaml:3:54: accept: of a {sort} there is no descriptor that only reads, "
            "as share: read-only wants"
        )


def test_pty_and_file_hold_nothing() -> None:
    for body in ("kind: pty", "kind: file, path: /x, access: read"):
        ruleset = load_text(f"fdbroker: 1\nresources:\n  it: {{{body}}}\n", "f.yaml")
        assert ruleset.resources["it"].holding is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("kind: store, accept: epoll", "3:29: accept: 'epoll' is not one of file, pty, socket"),
        ("kind: store, accept: [pty, pty]", "3:35: accept: pty is there twice"),
        ("kind: store, accept: []", "3:29: accept: is an empty list"),
        ("kind: store, seals: [shrunk]", "3:29: seals: 'shrunk' is not one of seal, shrink"),
        ("kind: store, seals: [grow, grow]", "3:35: seals: grow is there twice"),
        ("kind: store, accept: pty, seals: grow", "3:41: seals: a memfd has them, which accept"),
        ("kind: store, arguments: {a: {enum: [x]}}", "3:32: arguments: a store has none"),
        ("kind: store, size: 4K", "3:21: unknown key 'size'"),
        ("kind: store, ends: once", "3:21: unknown key 'ends'"),
        ("kind: store, quota: 5", "3:28: quota: must be a mapping"),
        ("kind: store, quota: {items: 0}", "3:36: items: 0 is not from 1 to 100000"),
        ("kind: store, quota: {descriptors: 4K}", "3:42: descriptors: '4K' is not a decimal"),
        ("kind: store, quota: {metadata: 1G}", "3:39: metadata: 1G is more than 67108864 bytes"),
        ("kind: store, quota: {per: unit}", "3:34: per: 'unit' is not one of uid, store"),
        ("kind: store, ttl: 5min", "3:26: ttl: must be a mapping"),
        ("kind: store, ttl: {}", "3:26: ttl: says neither default nor max"),
        ("kind: store, ttl: {default: 2h, max: 1h}", "3:36: default: is more than max, 3600s"),
        ("kind: store, ttl: {max: 60}", "3:32: max: '60' is not a duration, as in 90s"),
        ("kind: store, ttl: {max: 0s}", "3:32: max: '0s' is not a duration"),
        ("kind: store, ttl: {max: 5 min}", "3:32: max: '5 min' is not a duration"),
        ("kind: store, ttl: {max: 5m}", "3:32: max: '5m' is not a duration"),
        ("kind: store, ttl: {max: 3651d}", "3:32: max: 3651d is more than 3650d"),
        ("kind: store, on-hangup: close", "3:32: on-hangup: 'close' is not one of keep, drop"),
        ("kind: store, share: copy", "3:28: share: 'copy' is not one of dup, read-only"),
        ("kind: store, names: a//b", "3:28: names: has an empty level"),
        ("kind: store, names: ../x", "3:28: names: can match no item"),
        ("kind: store, names: a**", "3:28: names: has `**` in a level"),
        ("kind: store, names: '${group}/**'", "3:28: names: ${group} is unknown; known here: gid"),
        ("kind: store, names: '$user/**'", "3:28: names: a '$' that begins no ${NAME}"),
        ("kind: store, names: '${user}*'", "3:28: names: a level with a ${…} holds nothing else"),
        ("kind: store, names: 'a/x?-${uid}'", "3:28: names: a level with a ${…} holds nothing"),
        ("kind: store, names: '${user}${gid}'", "3:28: names: a level with a ${…} holds nothing"),
        ("kind: store, names: [a, b]", "3:28: names: must be a single value"),
        ("kind: memfd, seals: [grow, write], size: 1", "3:35: seals: write would leave nothing"),
        ("kind: memfd, seals: grow", "3:28: seals: grow without a size"),
        ("kind: memfd, size: 2G", "3:27: size: 2G is more than 1073741824 bytes"),
        ("kind: memfd, size: 0", "3:27: size: '0' is not a size"),
        ("kind: memfd, quota: {metadata: 4K}", "3:29: unknown key 'metadata'"),
        ("kind: memfd, accept: memfd", "3:21: unknown key 'accept'"),
        ("kind: memfd, ttl: {default: 9s, max: 8s}", "3:36: default: is more than max, 8s"),
        ("kind: eventfd, initial: 4294967295", "3:32: initial: 4294967295 is not from 0 to"),
        ("kind: eventfd, semaphore: yes", "3:34: semaphore: must be true or false"),
        ("kind: eventfd, names: /a", "3:30: names: has an empty level"),
        ("kind: pipe, size: 2M", "3:26: size: 2M is more than 1048576 bytes"),
        ("kind: pipe, ends: twice", "3:26: ends: 'twice' is not one of once, shared"),
        ("kind: pipe, arguments: {end: {enum: [both]}}", "end: the kind has this argument"),
        ("kind: socketpair, type: raw", "3:32: type: 'raw' is not one of stream, dgram, seq"),
    ],
)
def test_refused_keys(body: str, said: str) -> None:
    assert said in refusals(body)[0]


RESOURCES = """\
fdbroker: 1
resources:
  pty: {kind: pty}
  slots: {kind: store}
  sleds: {kind: store, names: "sled-*"}
  own: {kind: store, names: "${user}/**"}
  line: {kind: pipe}
rules:
"""


def said_of(*rules: str) -> list[str]:
    """Return what is said of rules that begin in line 9."""
    return mistakes(RESOURCES + "".join(f"- {{{rule}}}\n" for rule in rules))


@pytest.mark.parametrize(
    "body",
    [
        "allow: slots, do: [get, put, take, remove, list, watch]",
        "allow: slots/web-*, do: [put, take]",
        "allow: [slots/a, pty]",
        "allow: 'sl*/**'",
        "allow: '*/a/**/b?'",
        "allow: sleds/*-1",
        "allow: own/web-1/x",
        "allow: line, with: {end: read}",
        "allow: [line/a, line/b], with: {end: [read, write]}, do: get",
        "allow: line/a, do: [get, remove, list, watch]",
        "allow: '*', do: [get, put]",
        "deny: slots/a@b+c_d.e-f",
    ],
)
def test_rules_about_items(body: str) -> None:
    peer = "" if body.startswith("deny") else ", peer: {uid: 0}"
    assert said_of(f"id: a, {body}{peer}") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("deny: solts/a", "9:17: deny: there is no resource 'solts'; did you mean slots?"),
        ("deny: [slots, 'x*/a']", "9:25: deny: there is no resource 'x*'"),
        ("deny: pty/a", "9:17: deny: pty has no items"),
        ("deny: 'p*/a'", "9:17: deny: p* has no items"),
        ("deny: slots/", "9:17: deny: '' has an empty level"),
        ("deny: slots//a", "9:17: deny: '/a' has an empty level"),
        ("deny: slots/../pty", "9:17: deny: '../pty' can match no item"),
        ("deny: slots/a**", "9:17: deny: 'a**' has `**` in a level"),
        ("deny: 'slots/[ab]'", "9:17: deny: '[ab]' can match no item"),
        ("deny: 'slots/${user}'", "9:17: deny: '${user}' can match no item"),
        (
            "deny: sleds/web-*",
            "9:17: deny: 'web-*' can be no item of sleds: its `names` are others",
        ),
        ("deny: sleds/sled-1/x", "can be no item of sleds"),
        ("deny: line, do: put", "9:27: do: line cannot be used with 'put', only with get, list, "),
        ("deny: line/a, do: take", "9:29: do: line/a cannot be used with 'take'"),
        ("deny: [slots, pty], do: put", "9:35: do: pty cannot be used with 'put', only with get"),
        ("deny: 'p*', do: [get, put]", "9:33: do: p* cannot be used with 'put'"),
        (
            "deny: slots, do: make",
            "9:28: do: slots cannot be used with 'make', only with get, list",
        ),
        ("deny: slots/a, with: {end: read}", "9:38: end: slots/a has no argument end"),
        ("deny: line, with: {end: both}", "9:35: end: 'both' is not one of read, write"),
        ("deny: line, with: {end: read}, do: [get, remove]", "9:52: do: 'remove' has no arguments"),
    ],
)
def test_refused_rules(body: str, said: str) -> None:
    assert said in said_of(f"id: a, {body}")[0]


def test_rules_about_items_of_a_wrong_resource_are_not_wrong_for_that() -> None:
    (said,) = mistakes(
        "fdbroker: 1\nresources: {bad: {kind: store, ttl: 5}}\n"
        "rules:\n- {id: a, allow: [bad/x, 'b*/y'], do: put, peer: {uid: 0}}\n"
        "tests:\n- {as: {uid: 0}, get: bad/x, expect: allow}\n"
    )
    assert said.startswith("f.yaml:2:37: ttl")


@pytest.mark.parametrize(
    ("allow", "deny", "swallowed"),
    [
        ("slots/a", "slots", True),
        ("slots/a", "slots/a", True),
        ("slots/web-1", "slots/web-*", True),
        ("slots/web-*", "slots/**", True),
        ("slots/a/*/b", "slots/**/b", True),
        ("[slots/a, slots/b]", "slots/?", True),
        ("[slots/a, slots/b/c]", "slots/?", False),
        ("[slots/a, slots/b]", "[slots/b, slots/a]", True),
        ("slots/*", "slots/web-*", False),
        ("slots/**", "slots/*", False),
        ("slots", "slots/**", False),
        ("[slots, slots/a]", "slots/a", False),
        ("'sl*/a'", "slots/a", False),
        ("slots/a", "'sl*/a'", True),
        ("slots/a", "'*'", True),
        ("[slots/a, pty]", "slots/a", False),
    ],
)
def test_an_allow_that_a_deny_swallows(allow: str, deny: str, *, swallowed: bool) -> None:
    said = said_of(f"id: a, allow: {allow}, peer: {{uid: 0}}", f"id: d, deny: {deny}")
    assert bool(said) is swallowed
    if swallowed:
        assert "a never allows: d" in said[0]


ROOT = pwd.getpwuid(0).pw_name

TESTED = (
    RESOURCES
    + """\
- {id: web, allow: slots/web-*, do: [get, put], peer: {uid: 0}}
- {id: all, allow: [slots, own], do: [take, list, put], peer: {uid: [0, 5]}}
- {id: no-db, deny: [slots/**/db, own/*/db], do: [get, put, take]}
- {id: see, allow: slots/web-*, do: watch, peer: {uid: 7}}
- {id: blind, deny: slots, do: watch, peer: {uid: 8}}
- {id: saw, allow: slots/web-*, do: watch, peer: {uid: 8-9}}
- {id: read, allow: line/a, with: {end: read}, peer: {uid: 0}}
tests:
"""
)


@pytest.mark.parametrize(
    "test",
    [
        "as: {uid: 0}, get: slots/web-1, expect: allow",
        "as: {uid: 0}, get: slots/db-1, expect: deny",
        "as: {uid: 5}, get: slots/web-1, expect: deny",
        "as: {uid: 5}, put: slots/anything/x, expect: allow",
        "as: {uid: 0}, take: slots/a/db, expect: deny",
        "as: {uid: 0}, remove: slots/a, expect: deny",
        "as: {uid: 0}, list: slots, expect: allow",
        "as: {uid: 0}, list: slots/web-1, expect: allow",
        # Of all items those are shown that may be seen, each by itself.
        "as: {uid: 7}, watch: slots, expect: allow",
        "as: {uid: 7}, watch: slots/web-1, expect: allow",
        "as: {uid: 7}, watch: slots/db, expect: deny",
        "as: {uid: 8}, watch: slots, expect: deny",
        "as: {uid: 5}, watch: slots, expect: deny",
        "as: {uid: 0}, get: line/a, with: {end: read}, expect: allow",
        "as: {uid: 0}, get: line/a, with: {end: write}, expect: deny",
        "as: {uid: 0}, get: line/a, expect: deny",
        "as: {uid: 0}, get: line, expect: deny",
        # What `names` keeps from a peer is denied, whatever the rules say.
        f"as: {{uid: 0}}, put: own/{ROOT}/a, expect: allow",
        f"as: {{user: root}}, put: own/{ROOT}, expect: allow",
        f"as: {{uid: 5}}, put: own/{ROOT}/a, expect: deny",
        f"as: {{uid: 0}}, put: own/{ROOT}/db, expect: deny",
        "as: {uid: 0}, put: own/alice/a, expect: deny",
        f"as: {{user: nobody}}, put: own/{ROOT}/a, expect: deny",
    ],
)
def test_a_test_of_an_item_holds(test: str) -> None:
    assert mistakes(f"{TESTED}- {{{test}}}\n") == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("as: {uid: 0}, put: own/alice/a, expect: allow",
         "3: the test expects allow, but own/alice/a is not a name that own holds for you"),
        ("as: {uid: 7}, watch: slots, expect: deny", "but it is allowed for some items of slots"),
        ("as: {uid: 0}, get: slots/web-1, expect: deny", "expects deny, but it is allowed by web"),
        ("as: {uid: 0}, take: slots/db, expect: allow", "expects allow, but it is denied by no-db"),
        ("as: {uid: 0}, get: solts/a, expect: deny", "23: get: there is no resource 'solts'; did"),
        ("as: {uid: 0}, get: pty/a, expect: deny", "23: get: 'pty/a' is not there: pty has no"),
        ("as: {uid: 0}, get: slots/a:b, expect: deny", "23: get: 'slots/a:b' is not a name"),
        ("as: {uid: 0}, get: slots/web-*, expect: deny", "23: get: 'slots/web-*' is not a name"),
        ("as: {uid: 0}, get: slots, expect: deny", "23: get: slots itself cannot be meant: say"),
        ("as: {uid: 0}, remove: line, expect: deny", "26: remove: line itself cannot be meant"),
        ("as: {uid: 0}, put: line/a, expect: deny", "23: put: line cannot be used with put"),
        ("as: {uid: 0}, remove: line/a, with: {end: read}, expect: deny", "with: goes with get"),
        ("as: {uid: 0}, get: slots/a, put: slots/a, expect: deny", "3: a test says one verb"),
    ],
)  # fmt: skip
def test_a_test_of_an_item_is_refused(test: str, said: str) -> None:
    assert said in mistakes(f"{TESTED}- {{{test}}}\n")[0]


def test_users_are_known_by_the_name_that_the_system_has() -> None:
    """The broker knows a peer's uid, so a test of an alias is not one of another name."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    text = RESOURCES + f"- {{id: a, allow: own, do: put, peer: {{uid: {os.geteuid()}}}}}\ntests:\n"
    assert mistakes(f"{text}- {{as: {{user: {own}}}, put: own/{own}/x, expect: allow}}\n") == []
