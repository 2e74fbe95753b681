# SPDX-License-Identifier: MIT
"""Expressions that are let through are quick on every value."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.rules.pattern import compiled


@pytest.mark.parametrize(
    "text",
    [
        "[a-z0-9][a-z0-9.-]{0,62}",
        "(?:www|mail)[.]example[.]org",
        "[a-z]+-[a-z]+-[a-z]+",
        r"\d{4}-\d\d",
        "[]a]x?",
        "(a{2}){3}",
        "a|b|",
        r"a\.b",
    ],
)
def test_accepted(text: str) -> None:
    assert compiled(text).pattern == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(a+)+", "too long"),
        ("(a|a)*", "too long"),
        ("((a?){9}){9}", "too long"),
        ("a?" * 30, "too long"),
        (".*" * 4, "too long"),
        ("(a|b){4000000000}", "too long"),
        ("(", "not a regular expression"),
        ("[[a]", "not a regular expression"),
        ("a{99999999999}", "not a regular expression"),
        ("(" * 120 + "a" + ")" * 120, None),
        ("a" * 257, "longer than 256"),
        ("(?=a)", "not supported"),
        ("(?i)a", "not supported"),
        ("(?P<n>a)", "not supported"),
        (r"(a)\1", "not supported"),
        (r"\bfoo", "not supported"),
    ],
)
def test_refused(text: str, said: str | None) -> None:
    if said is None:
        compiled(text)
        return
    with pytest.raises(ValueError, match=said):
        compiled(text)


@given(st.text(alphabet="ab.*+?{}()|[]^\\,12", max_size=24))
@settings(max_examples=500, deadline=None)
def test_whatever_is_accepted_ends_soon(text: str) -> None:
    try:
        expression = compiled(text)
    except ValueError:
        return
    started = time.process_time()
    expression.fullmatch("a" * 254 + "\n")
    assert time.process_time() - started < 3
