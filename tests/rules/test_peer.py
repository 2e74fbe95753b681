# SPDX-License-Identifier: MIT
"""The key `peer` of rules, and the peers that are made up."""

import pytest

from fdbrokerd.model.facts import KEYS, UNKNOWN
from fdbrokerd.model.key import KeyRefused, Values
from fdbrokerd.model.match import FactMatch, PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.pretended import Pretence, pretend

from .said import mistakes

RULE = "fdbroker: 1\nresources: {pty: {kind: pty}}\nrules:\n- {id: a, deny: pty, peer: {%s}}\n"


def refusals(peer: str) -> list[str]:
    return mistakes(RULE % peer)


def match(peer: str) -> PeerMatch:
    (rule,) = load_text(RULE % peer, "f.yaml").rules
    return rule.peer


def ids(*pairs: tuple[int, int]) -> IdRanges:
    return IdRanges(pairs)


def test_every_key() -> None:
    made = match(
        "user: root, uid: 0-9, group: root, gid: [5, 7-9], unit: [a.service, b@*.scope], "
        "user-unit: c.service, slice: '*.slice', cgroup: /a/**, container: 'podman:*', "
        "label: 'a b/c', exe: /bin/x, any: [{uid: 1}, {not: {gid: 2}}], not: {unit: d.service}"
    )
    assert made.uids == (ids((0, 0)), ids((0, 9)))
    assert made.gids == (ids((0, 0)), ids((5, 5), (7, 9)))
    assert made.facts == (
        FactMatch("unit", ("a.service", "b@*.scope")),
        FactMatch("user-unit", ("c.service",)),
        FactMatch("slice", ("*.slice",)),
        FactMatch("cgroup", ("/a/**",)),
        FactMatch("container", ("podman:*",)),
        FactMatch("label", ("a b/c",)),
        FactMatch("exe", ("/bin/x",)),
    )
    assert [fact.key for fact in made.facts] == list(KEYS)
    inner = PeerMatch(none_of=(PeerMatch(gids=(ids((2, 2)),)),))
    assert made.any_of == ((PeerMatch(uids=(ids((1, 1)),)), inner),)
    assert made.none_of == (PeerMatch(facts=(FactMatch("unit", ("d.service",)),)),)


def test_one_is_a_list_of_one() -> None:
    assert match("any: {uid: 1}, not: {uid: 2}") == match("any: [{uid: 1}], not: [{uid: 2}]")
    assert match("unit: a.service") == match("unit: [a.service]")


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        ("any: []", "4:34: any: is an empty list"),
        ("any: [{}]", "4:35: any: says nothing"),
        ("not: {}", "4:34: not: says nothing"),
        ("any: [{uid: 1}, {unti: x}]", "4:46: unknown key 'unti'; did you mean unit?"),
        ("not: [{any: [{user: no-such-1}]}]", "4:49: user: there is no user 'no-such-1'"),
        ("any: root", "4:34: any: must be a mapping"),
        ("unit: postfix", "4:35: unit: 'postfix' is no name of a unit that has processes: say po"),
        ("unit: [a.service, b.timer]", "4:47: unit: 'b.timer' is no name of a unit that has"),
        ("unit: service", "4:35: unit: 'service' is no name of a unit"),
        ("unit: a/b.service", "4:35: unit: 'a/b.service' is a path: say cgroup"),
        ("unit: 'a[12].service'", "4:35: unit: 'a[12].service' holds a '['"),
        ("unit: " + "x" * 250 + ".service", "is longer than 255 characters"),
        ("user-unit: x", "4:40: user-unit: 'x' is no name of a unit"),
        ("slice: system", "4:36: slice: 'system' is no name of a slice, as system.slice is"),
        ("slice: a.service", "4:36: slice: 'a.service' is no name of a slice"),
        ("cgroup: a", "4:37: cgroup: 'a' is not an absolute path"),
        ("cgroup: /a/", "4:37: cgroup: '/a/' is not an absolute path"),
        ("cgroup: /a//b", "4:37: cgroup: '/a//b' is not an absolute path"),
        ("cgroup: /a/../b", "4:37: cgroup: '/a/../b' holds '.' or '..'"),
        ("cgroup: /a**", "4:37: cgroup: '/a**' has `**` in a level"),
        ("container: web", "4:40: container: 'web' is not of the form ENGINE:NAME"),
        ("container: a/b:c", "4:40: container: 'a/b:c' holds a '/'"),
        ("uid: 0, exe: bin/x", "4:42: exe: 'bin/x' is not an absolute path"),
        ("unit: []", "4:35: unit: is an empty list"),
        ("unit: {a: b}", "4:35: unit: must be a single value"),
        ("unit: ''", "4:35: unit: is empty"),
    ],
)  # fmt: skip
def test_refused(peer: str, said: str) -> None:
    assert said in refusals(peer)[0]


@pytest.mark.parametrize(
    "peer",
    [
        "unit: '*'", "unit: 'a*'", "unit: '*.service'", "unit: a.socket", "unit: 'a.serv*'",
        "unit: 'a\\x2db.service'", "slice: '*'", "slice: -.slice", "cgroup: /", "cgroup: /**",
        "cgroup: '/a*/**/b?'", "container: '*'", "container: other", "container: 'podman:*'",
        "container: 'delegated-podman:*'", "label: '*'", "label: 'a [b]'", "uid: 1, exe: '/bin/['",
        "uid: 1, exe: /nix/store/*-x/bin/x",
    ],
)  # fmt: skip
def test_accepted(peer: str) -> None:
    assert refusals(peer) == []


@pytest.mark.parametrize(
    "peer",
    [
        "exe: /bin/x",
        "exe: [/bin/x, /bin/y]",
        # A user's unit is named by that user, as its programs are.
        "exe: /bin/x, user-unit: a.service",
        # Not strong: what must not hold, and what holds for all.
        "exe: /bin/x, not: {uid: 5}",
        "exe: /bin/x, not: {unit: a.service}",
        "exe: /bin/x, unit: '*'",
        "exe: /bin/x, cgroup: /**",
        "exe: /bin/x, container: ['podman:a', '*']",
        "exe: /bin/x, label: '?*'",
        "exe: /bin/x, uid: 0-4294967294",
        "exe: /bin/x, gid: [0-65533, 65535-70000]",
        # Alone inside another.
        "any: {exe: /bin/x}",
        "any: [{uid: 1}, {exe: /bin/x}]",
        "any: [{exe: /bin/x, uid: 1}, {exe: /bin/y}]",
        "any: [{any: [{uid: 1}, {any: {exe: /bin/x}}]}]",
        "not: {exe: /bin/x}",
        "not: [{uid: 1}, {exe: /bin/x}]",
        "not: {not: {exe: /bin/x}}",
        "any: {not: {exe: /bin/x}}",
        # Beside an `any` that one may pass without a strong key.
        "exe: /bin/x, any: [{uid: 1}, {not: {uid: 2}}]",
        "exe: /bin/x, any: [{uid: 1}, {user-unit: a.service}]",
        "exe: /bin/x, any: [{uid: 1}, {any: [{gid: 3}, {unit: '*'}]}]",
    ],
)
def test_exe_alone_is_refused_in_every_disguise(peer: str) -> None:
    assert any("exe: is advisory" in one for one in refusals(peer))


@pytest.mark.parametrize(
    "peer",
    [
        "exe: /bin/x, uid: 5",
        "exe: /bin/x, group: root",
        "exe: /bin/x, unit: 'a@*.service'",
        "exe: /bin/x, cgroup: /a/**",
        "exe: /bin/x, any: [{uid: 1}, {unit: a.service, not: {gid: 5}}]",
        "exe: /bin/x, any: [{any: [{uid: 1}, {gid: 2}]}, {slice: a.slice}]",
        "uid: 5, any: [{exe: /bin/x}, {exe: /bin/y}]",
        "uid: 5, not: {exe: /bin/x}",
        "any: [{uid: 5, not: {exe: /bin/x}}]",
        "any: [{uid: 5, exe: /bin/x}, {unit: a.service}]",
        "not: {exe: /bin/x, uid: 5}",
    ],
)
def test_exe_beside_a_strong_key(peer: str) -> None:
    assert refusals(peer) == []


def pretence(**values: object) -> Pretence:
    return pretend(Values({key.replace("_", "-"): value for key, value in values.items()}))


def test_a_pretended_peer_has_only_what_it_is_given() -> None:
    peer = pretence(uid=7).peer()
    assert (peer.uid, peer.gid, peer.groups) == (7, UNMAPPED_ID, frozenset({UNMAPPED_ID}))
    assert all(peer.facts.of(key) is None for key in KEYS)
    assert not peer.foreign
    peer = pretence(uid=7, gid=(5, 6), group=("root",)).peer()
    assert (peer.gid, peer.groups) == (5, frozenset({5, 6, 0}))
    assert pretence(user="root").peer().gid == 0


def test_a_unit_has_a_cgroup_and_a_cgroup_a_unit() -> None:
    facts = pretence(unit="a.service").peer().facts
    assert (facts.cgroup, facts.slice) == ("/system.slice/a.service", "system.slice")
    facts = pretence(unit="a.service", slice="x.slice").peer().facts
    assert (facts.cgroup, facts.slice) == ("/x.slice/a.service", "x.slice")
    facts = pretence(uid=1, cgroup="/system.slice/a.service/b.service").peer().facts
    assert (facts.unit, facts.slice) == ("a.service", "system.slice")
    facts = pretence(uid=7, user_unit="a.service").peer().facts
    assert (facts.unit, facts.slice) == ("user@7.service", "user-7.slice")
    assert UNKNOWN not in {facts.of(key) for key in KEYS}


def test_what_is_in_a_container_is_of_another_namespace() -> None:
    assert pretence(uid=1, container="podman:x").peer().foreign
    assert pretence(uid=1, cgroup="/machine.slice/machine-web.scope").peer().foreign
    assert not pretence(uid=1, cgroup="/system.slice/a.service").peer().foreign


def test_on_the_wire_there_are_numbers_only() -> None:
    assert pretence(user="root", gid=(7,), user_unit="a.service").wire() == {
        "uid": 0,
        "gids": [*Pretence(0, pretence(user="root").gids, {}).gids, 7],
        "userUnit": "a.service",
    }
    assert pretence(unit="a.service", exe="/x").wire() == {"unit": "a.service", "exe": "/x"}


@pytest.mark.parametrize(
    ("values", "key", "said"),
    [
        ({}, "", "names a user, a uid or a unit"),
        ({"exe": "/x"}, "", "names a user, a uid or a unit"),
        ({"user": "root", "uid": 0}, "", "names either a user or a uid"),
        ({"user": "no-such-1"}, "user", "there is no user 'no-such-1'"),
        ({"uid": 0, "group": ("root", "no-such-1")}, "group.1", "there is no group 'no-such-1'"),
    ],
)
def test_pretences_that_cannot_be(values: dict[str, object], key: str, said: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        pretend(Values(values))
    assert (caught.value.key, str(caught.value)) == (key, said)
