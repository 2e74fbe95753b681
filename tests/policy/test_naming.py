# SPDX-License-Identifier: MIT
"""Names of items: who may have which, and that the tools agree with that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdbrokerd.model.peer import UNMAPPED_ID, Peer
from fdbrokerd.model.resource import ITEM_NAME, Request, Resource
from fdbrokerd.naming import (
    MAX_NAME_CHARACTERS,
    admits,
    depends_on_peer,
    impossible,
    names_user,
    needs_item,
    objection,
    written,
)
from fdbrokerd.rules.loader import load_text

RULES = """\
fdbroker: 1
resources:
  any: {kind: store}
  own: {kind: store, names: "${user}/**"}
  web: {kind: store, names: "web-*"}
  ids: {kind: memfd, names: "x/${uid}/g-${gid}/*"}
  pty: {kind: pty}
"""
RESOURCES = load_text(RULES, "f.yaml").resources


def peer(uid: int = 1000, gid: int = 7) -> Peer:
    return Peer(1, uid, gid, frozenset({gid}))


def resource(name: str) -> Resource:
    return RESOURCES[name]


@pytest.mark.parametrize(
    ("name", "item", "who", "user", "admitted"),
    [
        ("any", "a", peer(), None, True),
        ("any", "a/b/c.d_e@f+g-h", peer(UNMAPPED_ID), None, True),
        ("web", "web-1", peer(), None, True),
        ("web", "web-1/x", peer(), None, False),
        ("web", "xweb-1", peer(), None, False),
        ("own", "alice/a/b", peer(), "alice", True),
        ("own", "alice", peer(), "alice", True),
        ("own", "alice2/a", peer(), "alice", False),
        ("own", "alice/a", peer(), "bob", False),
        ("own", "a/alice/a", peer(), "alice", False),
        # Nobody knows the user's name, or it is none that a name can hold, or is a glob.
        ("own", "alice/a", peer(), None, False),
        ("own", "None/a", peer(), None, False),
        ("own", "a/b", peer(), "*", False),
        ("own", "a/b", peer(), "a/b", False),
        ("own", "a/b", peer(), "?", False),
        ("own", "nobody/a", peer(UNMAPPED_ID), "nobody", False),
        ("ids", "x/1000/g-7/a", peer(), None, True),
        ("ids", "x/1000/g-8/a", peer(), None, False),
        ("ids", "x/1001/g-7/a", peer(), None, False),
        ("ids", "x/65534/g-7/a", peer(UNMAPPED_ID), None, False),
        ("ids", "x/1000/g-65534/a", peer(1000, UNMAPPED_ID), None, False),
    ],
)
def test_who_may_have_which(
    name: str, item: str, who: Peer, user: str | None, *, admitted: bool
) -> None:
    assert (admits(resource(name), item, who, user) is None) is admitted


@pytest.mark.parametrize(
    "item",
    ["", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", ".a", "a/.b", "-a", "+a", "@a", "a:b",
     "a b", "a\0", "a\n", "a/b\n", "é", "a*", "a?", "[a]", "${user}", "a\\b", "a'b", "\ud800"],
)  # fmt: skip
def test_what_is_no_name(item: str) -> None:
    assert "is not a name" in (admits(resource("any"), item, peer(), None) or "")
    assert impossible(resource("any"), "get", f"any/{item}")


def test_how_long_a_name_may_be() -> None:
    longest = "x" * (MAX_NAME_CHARACTERS - len("any/"))
    assert admits(resource("any"), longest, peer(), None) is None
    for longer in (longest + "x", "x" * 5000, "/".join("x" * 5000)):
        assert admits(resource("any"), longer, peer(), None) == "is longer than 256 characters"


def test_what_holds_nothing_has_no_items() -> None:
    assert "pty has no items" in (admits(resource("pty"), "a", peer(), None) or "")


@given(st.text(max_size=20))
def test_any_text_is_admitted_or_not(item: str) -> None:
    assert (admits(resource("any"), item, peer(), None) is None) is bool(ITEM_NAME.fullmatch(item))


@given(st.sampled_from(["any", "own", "web", "ids"]), st.text("alice/web-1x07g*.", max_size=12))
def test_what_is_impossible_is_admitted_for_nobody(name: str, item: str) -> None:
    if impossible(resource(name), "get", f"{name}/{item}"):
        for user in ("alice", "a", "web-1", item):
            assert admits(resource(name), item, peer(7, 0), user) is not None


@pytest.mark.parametrize(
    ("name", "verb", "needed"),
    [
        ("any", "get", True),
        ("any", "put", True),
        ("any", "take", True),
        ("any", "remove", True),
        ("any", "list", False),
        ("any", "watch", False),
        ("ids", "get", False),
        ("ids", "remove", True),
        ("ids", "watch", False),
        ("pty", "get", False),
    ],
)
def test_which_verbs_are_about_an_item(name: str, verb: str, *, needed: bool) -> None:
    assert needs_item(resource(name), verb) is needed
    found = objection(resource(name), Request(verb, name, {}), peer(), None)
    assert (found == f"is no item: say {name}/NAME") is needed
    assert (impossible(resource(name), verb, name) is not None) is needed


def test_what_is_needed_to_judge() -> None:
    assert [name for name in RESOURCES if names_user(resource(name))] == ["own"]
    assert [name for name in RESOURCES if depends_on_peer(resource(name))] == ["own", "ids"]
    holding = resource("ids").holding
    assert holding is not None
    assert holding.names is not None
    assert written(holding.names) == "x/${uid}/g-${gid}/*"
