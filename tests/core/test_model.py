# SPDX-License-Identifier: MIT
"""The values: which arguments there are, which ids are in a set, and what a glob covers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.argument import (
    Argument,
    ArgumentLimit,
    Choice,
    Integer,
    Pattern,
    unsafe,
    with_holds,
)
from fdbrokerd.model.facts import shown
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges
from fdbrokerd.model.rule import Rate, covered

from .made import a_peer, a_resource

UNSAFE = ["", ".", "..", "a/b", "/", "a\0b", "a\nb", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029",
          "\udcff", "\ud800", "x" * 256]  # fmt: skip


@pytest.mark.parametrize("value", UNSAFE, ids=ascii)
@pytest.mark.parametrize("type_", [Choice(tuple(UNSAFE)), Pattern(re.compile("(?s:.*)"))])
def test_a_value_that_no_argument_has(value: str, type_: Choice | Pattern) -> None:
    assert unsafe(value)
    assert type_.problem(value) is None, "the type would let it through"
    assert Argument(type_).problem(value)


@pytest.mark.parametrize("value", ["a", "...", ".a", "-", "a b", "ä", "x" * 255, "$x", "~"])
def test_a_value_that_one_can_have(value: str) -> None:
    assert unsafe(value) is None


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        (Choice(("a", "b")), "b", None),
        (Choice(("a", "b")), "c", "is not one of a, b"),
        (Pattern(re.compile("[a-z]+")), "abc", None),
        (Pattern(re.compile("[a-z]+")), "abc\n", r"does not match [a-z]+"),
        (Pattern(re.compile("a|ab")), "ab", None),
        (Pattern(re.compile("[a-z]+")), "1abc", "does not match [a-z]+"),
        (Integer(0, 9), "0", None),
        (Integer(1, 65535), "65535", None),
        (Integer(1, 65535), "65536", "is not a number from 1 to 65535"),
        (Integer(1, 9), "0", "is not a number from 1 to 9"),
        *((Integer(0, 99), value, "is not a number from 0 to 99")
          for value in ("", "-1", "+1", "01", "1.0", "1 ", "1\n", "٣", "²", "1e1", "9" * 99)),
    ],
)  # fmt: skip
def test_types(type_: Choice | Pattern | Integer, value: str, problem: str | None) -> None:
    assert type_.problem(value) == problem


ARGUMENTS = {
    "part": Argument(Choice(("key", "chain")), "chain"),
    "port": Argument(Integer(1, 9)),
}


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ({}, {"part": "chain"}),
        ({"part": "key"}, {"part": "key"}),
        ({"port": "3"}, {"part": "chain", "port": "3"}),
    ],
)
def test_defaults_are_filled_in(given: dict[str, str], complete: dict[str, str]) -> None:
    assert a_resource("r", "pty", None, ARGUMENTS).complete(given) == complete


@pytest.mark.parametrize(
    ("given", "argument", "reason"),
    [
        ({"zz": "1"}, "zz", "is unknown to this resource"),
        ({"part": "zz"}, "part", "is not one of key, chain"),
        ({"port": "0"}, "port", "is not a number from 1 to 9"),
        ({"port": ""}, "port", "is empty"),
    ],
)
def test_an_argument_that_is_refused(given: dict[str, str], argument: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        a_resource("r", "pty", None, ARGUMENTS).complete(given)
    assert (refused.value.argument, refused.value.reason) == (argument, reason)


@pytest.mark.parametrize(
    ("limit", "value", "holds"),
    [
        (ArgumentLimit(frozenset({"a"})), "a", True),
        (ArgumentLimit(frozenset({"a"})), "b", False),
        (ArgumentLimit(frozenset({"a"})), None, False),
        (ArgumentLimit(), "a", False),
        (ArgumentLimit(ranges=((1, 5), (9, 9))), "5", True),
        (ArgumentLimit(ranges=((1, 5), (9, 9))), "6", False),
        (ArgumentLimit(ranges=((1, 5),)), "²", False),
        (ArgumentLimit(ranges=((1, 5),)), "-1", False),
        (ArgumentLimit(ranges=((1, 5),)), "x", False),
    ],
)
def test_what_a_rule_lets_an_argument_be(
    limit: ArgumentLimit,
    value: str | None,
    holds: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    assert limit.holds(value) is holds
    assert with_holds({"k": limit}, {} if value is None else {"k": value}) is holds
    assert with_holds({}, {})


small = st.integers(0, 12)
sets = st.lists(st.tuples(small, small).map(lambda two: (min(two), max(two))), max_size=4).map(
    lambda pairs: IdRanges(tuple(pairs))
)


def members(of: IdRanges) -> set[int]:
    return {number for number in range(14) if of.holds(number)}


@given(sets, sets)
def test_sets_of_ids_are_sets(one: IdRanges, other: IdRanges) -> None:
    assert members(one.common(other)) == members(one) & members(other)
    assert one.includes(other) is (members(one) >= members(other))


@given(st.lists(sets, max_size=2), st.lists(sets, max_size=2), small)
def test_a_wider_match_holds_where_the_narrower_does(
    wider: list[IdRanges], narrower: list[IdRanges], uid: int
) -> None:
    wide, narrow = PeerMatch(uids=tuple(wider)), PeerMatch(uids=tuple(narrower))
    if wide.includes(narrow) and narrow.holds(a_peer(uid)):
        assert wide.holds(a_peer(uid))


@pytest.mark.parametrize(
    ("match", "groups", "truth"),
    [
        (PeerMatch(), (), True),
        (PeerMatch(gids=(IdRanges(((7, 7),)),)), (7,), True),
        (PeerMatch(gids=(IdRanges(((7, 7),)),)), (8,), False),
        (PeerMatch(gids=(IdRanges(((7, 7),)),)), (8, UNMAPPED_ID), None),
        (PeerMatch(gids=(IdRanges(((7, 7),)),)), (7, UNMAPPED_ID), True),
        (PeerMatch((IdRanges(((0, 0),)),), (IdRanges(((7, 7),)),)), (UNMAPPED_ID,), False),
        (PeerMatch(gids=(IdRanges(((7, 7),)), IdRanges(((8, 8),)))), (7, 8), True),
        (PeerMatch(gids=(IdRanges(((7, 7),)), IdRanges(((8, 8),)))), (7,), False),
    ],
)
def test_what_cannot_be_known_is_unknown(
    match: PeerMatch,
    groups: tuple[int, ...],
    truth: bool | None,  # noqa: FBT001 (a column of the table)
) -> None:
    assert match.holds(a_peer(5, groups=groups)) is truth


@pytest.mark.parametrize(
    ("name", "globs", "expected"),
    [
        ("pty", ("pty",), True),
        ("pty", ("p*",), True),
        ("pty", ("P*",), False),
        ("pty", ("pt",), False),
        ("pty", (), False),
        ("pty", ("x", "p?[xyz]"), True),
    ],
)
def test_globs(name: str, globs: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert covered(name, globs) is expected


@pytest.mark.parametrize(("seconds", "unit"), [(1, "s"), (60, "min"), (3600, "h"), (86400, "d")])
def test_a_rate_is_written_as_it_is_read(seconds: int, unit: str) -> None:
    assert str(Rate(30, seconds)) == f"30/{unit}"


def test_a_fact_is_shown_in_one_line() -> None:
    assert shown("/usr/bin/cat") == "/usr/bin/cat"
    assert shown("/tmp/n\n=> allowed by all\x1b[2J\udcff") == (
        "/tmp/n\\n=> allowed by all\\x1b[2J\\udcff"
    )
