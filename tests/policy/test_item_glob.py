# SPDX-License-Identifier: MIT
"""Globs of items, compared with each other: held to what they match."""

import time
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.model.glob import path_glob
from fdbrokerd.model.item_glob import includes, item_glob_problem, meet
from fdbrokerd.model.resource import ITEM_NAME

LEVELS = st.text("ab*?", min_size=1, max_size=3).filter(lambda level: "**" not in level)
GLOBS = st.lists(LEVELS | st.just("**"), min_size=1, max_size=3).map("/".join)

WORDS = ["".join(letters) for size in (1, 2, 3) for letters in product("ab", repeat=size)]
NAMES = [
    *WORDS,
    *("/".join(two) for two in product(WORDS, repeat=2)),
    *("/".join(three) for three in product(WORDS[:6], repeat=3)),
    *("/".join(four) for four in product("ab", repeat=4)),
]


@cache
def matched(glob: str) -> frozenset[str]:
    """Return which of the names a glob matches."""
    expression = path_glob("/" + glob)
    return frozenset(name for name in NAMES if expression.fullmatch("/" + name))


@given(GLOBS, GLOBS)
@settings(max_examples=400, deadline=None)
def test_they_say_of_two_globs_what_is_so_of_the_names(one: str, other: str) -> None:
    if includes(one, other):
        assert matched(other) <= matched(one)
    if not meet(one, other):
        assert not matched(one) & matched(other)
    assert includes(one, one)
    assert meet(one, other) is meet(other, one)


@given(GLOBS, st.sampled_from(NAMES))
@settings(max_examples=300, deadline=None)
def test_a_name_is_a_glob_of_itself_alone(glob: str, name: str) -> None:
    assert includes(glob, name) is meet(glob, name) is (name in matched(glob))


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        ("**", "a/*/b?", True),
        ("*", "web-*", True),
        ("web-*", "web-*-x", True),
        ("web-*", "*", False),
        ("?", "*", False),
        ("?*", "a*", True),
        ("a/*", "a/**", False),
        ("a/**", "a/*/b", True),
        ("**/b", "a/**/b", True),
        ("**/b", "**", False),
        ("a", "b", False),
    ],
)
def test_what_includes_another(wide: str, narrow: str, *, holds: bool) -> None:
    assert includes(wide, narrow) is holds


@pytest.mark.parametrize(
    ("one", "other", "holds"),
    [
        ("web-*", "*-1", True),
        ("web-*", "db-*", False),
        ("a/*", "*", False),
        ("a/**", "*", True),
        ("**/b", "a/*/c", False),
        ("a?", "?b", True),
        ("a*b", "a", False),
        ("**/a/**", "*/*", True),
    ],
)
def test_what_meets_another(one: str, other: str, *, holds: bool) -> None:
    assert meet(one, other) is holds


@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("", "an empty level"),
        ("/a", "an empty level"),
        ("a/", "an empty level"),
        ("a//b", "an empty level"),
        ("a/**b", "`**` in a level"),
        ("a/***", "`**` in a level"),
        ("..", "can match no item"),
        ("a/../b", "can match no item"),
        (".a", "can match no item"),
        ("-a", "can match no item"),
        ("a:b", "can match no item"),
        ("a b", "can match no item"),
        ("[ab]", "can match no item"),
        ("a\n", "can match no item"),
        ("x" * 257, "is longer than 256"),
    ],
)
def test_globs_that_can_match_no_item(glob: str, said: str) -> None:
    assert said in (item_glob_problem(glob) or "")


@given(st.text("a1_.@+-*?/:é ", max_size=12), st.data())
@settings(max_examples=300, deadline=None)
def test_no_glob_is_refused_that_could_match(glob: str, data: st.DataObject) -> None:
    """Each wildcard is filled in by chance: what comes of a glob that is refused is no name."""
    filled = "/".join(
        level.replace("*", data.draw(st.sampled_from(["", "a", "1.x"]))).replace("?", "a")
        for level in glob.replace("**", "a/b").split("/")
    )
    if ITEM_NAME.fullmatch(filled) and path_glob("/" + glob).fullmatch("/" + filled):
        assert item_glob_problem(glob) is None or "`**` in a level" in (
            item_glob_problem(glob) or ""
        )


def test_no_glob_makes_them_slow() -> None:
    start = time.process_time()
    long = "/".join(["**", "a*a"] * 42)
    assert not includes(long, "a*" * 120 + "b")
    assert not meet(long, "*a" * 120 + "/b")
    assert time.process_time() - start < 2
