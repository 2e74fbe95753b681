# SPDX-License-Identifier: MIT
"""Regular expressions that cannot be made to run for ever.

The value is the peer's, and the matcher tries every way of matching it before it says no: `(a+)+`
needs 2^n steps for n letters, and the broker would stand still for everybody. So the ways are
counted at load, as an upper bound: an alternation adds its branches, a sequence multiplies, a
repeat has a way for each number of times, and each of these times its own. What cannot be counted
like that (look-around, back references, flags) is refused.
"""

import re
import warnings

from fdbrokerd.model.argument import MAX_VALUE_CHARACTERS

MAX_WAYS = 1 << 24
"""Three unbounded repeats beside each other (256^3), about a tenth of a second at worst."""

MAX_PATTERN_CHARACTERS = 256
"""About as long as a value can be; its groups are compiled by functions that call themselves."""

_TOKEN = re.compile(
    r"""
      (?P<open>\((?:\?:|(?!\?)))
    | (?P<close>\))
    | (?P<branch>\|)
    | (?P<repeat>[*+?] | \{(?=[0-9,])(?P<low>[0-9]*)(?P<comma>,)?(?P<high>[0-9]*)\})(?P<lazy>\??)
    | (?P<one>\\[^0-9a-zA-Z] | \\[dDsSwW] | \[\^?\]?(?:\\.|[^]\\])*\] | [^\\\[(])
    """,
    re.VERBOSE,
)


class _Group:
    """The ways of an unfinished group: of its finished branches, of this one, of the last item."""

    __slots__ = ("branch", "finished", "last")

    def __init__(self) -> None:
        self.finished = 0
        self.branch = 1
        self.last = 1

    def add(self, ways: int) -> None:
        """Put an item behind the last one."""
        self.branch *= self.last
        self.last = ways

    def begin_branch(self) -> None:
        """Finish a branch."""
        self.finished = self.ways()
        self.branch = self.last = 1

    def ways(self) -> int:
        """Return the ways so far; more than MAX_WAYS is not counted exactly."""
        return min(self.finished + self.branch * self.last, MAX_WAYS + 1)

    def repeat(self, low: int, high: int) -> None:
        """Repeat the last item."""
        ways = 0
        for times in range(low, min(high, low + MAX_VALUE_CHARACTERS) + 1):
            ways += self.last ** min(times, MAX_WAYS.bit_length())
            if ways > MAX_WAYS:
                break
        self.last = min(ways, MAX_WAYS + 1)


def compiled(text: str) -> re.Pattern[str]:
    """Return the compiled expression. Raises ValueError with what is wrong with it."""
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise ValueError(f"is longer than {MAX_PATTERN_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read otherwise one day, as [[a]
            expression = re.compile(text)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if _ways(text) > MAX_WAYS:
        raise ValueError("could take too long to match: fewer repeats, and none inside another")
    return expression


def _ways(text: str) -> int:
    """Return in how many ways a value may have to be tried; the expression is known to compile."""
    groups = [_Group()]
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"holds what is not supported here: {text[at : at + 4]}")
        at = token.end()
        if token["open"]:
            groups.append(_Group())
        elif token["close"]:
            inner = groups.pop()
            groups[-1].add(inner.ways())
        elif token["branch"]:
            groups[-1].begin_branch()
        elif token["repeat"]:
            groups[-1].repeat(*_times(token))
        else:
            groups[-1].add(1)
    return groups[0].ways()


def _times(token: re.Match[str]) -> tuple[int, int]:
    """Return how often at least and at most a repeat's item may be there."""
    many = MAX_VALUE_CHARACTERS
    if token["low"] is None:
        return {"*": (0, many), "+": (1, many), "?": (0, 1)}[token["repeat"][0]]
    low = int(token["low"] or 0)
    if not token["comma"]:
        return low, low
    return low, int(token["high"]) if token["high"] else low + many
