# SPDX-License-Identifier: MIT
"""Regular expressions of rules: what is taken matches any value of a peer within the time."""

from time import process_time

from fdbrokerd.model.argument import MAX_VALUE_CHARACTERS
from fdbrokerd.rules.pattern import compiled
from tests.fuzz.choices import Choices

TOKENS = (
    b"a+", b"(a+)+", b"(a|a)*", b"[a-z]*", b".*", b"{0,9}", b"{99}", b"(?:", b")", b"|", b"\\w+",
    b"[^a]", b"?", b"*?", b"$", b"^", b"\\b", b"(?i)", b"(?=a)", b"\\1",
)  # fmt: skip

MATCH_SECONDS = 2.0
"""Of this process's time. MAX_WAYS is about a tenth of a second, on this machine or one like it."""


def check(data: bytes) -> None:
    """Compile, and match what makes it try."""
    choices = Choices(data)
    letter, end = choices.take(1).decode("latin-1") or "a", choices.take(2).decode("latin-1")
    text = choices.rest().decode("utf-8", "replace")
    try:
        expression = compiled(text)
    except ValueError:
        return
    values = [letter * MAX_VALUE_CHARACTERS, letter * (MAX_VALUE_CHARACTERS - 2) + end, text[:256]]
    for value in values:
        began = process_time()
        expression.fullmatch(value)
        assert process_time() - began < MATCH_SECONDS, "it takes too long to match"
