# SPDX-License-Identifier: MIT
"""A rule's `with`: what the arguments of a request may be, for the rule to be about it.

A value is one text or a list of them; of an integer also `A-B`, the numbers between. Each must be
one that the argument could have: a limit that can never hold is a mistake, and in a deny a hole.
"""

from collections.abc import Mapping, Sequence

from fdbrokerd.model.argument import Argument, ArgumentLimit, Integer
from fdbrokerd.model.resource import Resource
from fdbrokerd.rules.mistakes import Mistakes, shown
from fdbrokerd.rules.reader import Reading
from fdbrokerd.rules.scalar import Unfit, span

About = Mapping[str, Sequence[Resource]]
"""What each name or glob of a rule covers."""


def argument_limits(reading: Reading, about: About) -> dict[str, ArgumentLimit]:
    """Return what the key `with` says."""
    section = reading.values.get("with", {})
    assert isinstance(section, dict)
    limits = {}
    mistakes = Mistakes()
    for name, texts in section.items():
        with mistakes.kept():
            arguments = _arguments(reading, name, about)
            limits[name] = _limit(reading, name, texts, arguments)
    mistakes.check()
    return limits


def _arguments(reading: Reading, name: str, about: About) -> list[Argument]:
    """Return the arguments of this name; each entry of the rule must lead to one at least."""
    arguments = []
    for entry, resources in about.items():
        found = [one.arguments[name] for one in resources if name in one.arguments]
        if resources and not found:
            raise reading.wrong(f"{entry} has no argument {name}", "with", name)
        arguments += found
    return arguments


def _limit(
    reading: Reading, name: str, texts: Sequence[str], arguments: Sequence[Argument]
) -> ArgumentLimit:
    words: set[str] = set()
    ranges: list[tuple[int, int]] = []
    mistakes = Mistakes()
    for index, text in enumerate(texts):
        try:
            numbers = _range(text, arguments)
            if numbers is None:
                words.add(_word(text, arguments))
            else:
                ranges.append(numbers)
        except Unfit as unfit:
            mistakes.add(reading.wrong(str(unfit), "with", name, index))
    mistakes.check()
    return ArgumentLimit(frozenset(words), tuple(ranges))


def _word(text: str, arguments: Sequence[Argument]) -> str:
    """Return a text that one of the arguments can be."""
    problems = [argument.problem(text) for argument in arguments]
    if problems and all(problems):
        raise Unfit(f"{shown(text)} {problems[0]}")
    return text


def _range(text: str, arguments: Sequence[Argument]) -> tuple[int, int] | None:
    """Return a range of integers, None for a text that is a word to all of the arguments."""
    types = [argument.type for argument in arguments]
    integers = [one for one in types if isinstance(one, Integer)]
    if "-" not in text or not integers:
        return None
    found = span(text)
    if found is None:
        return None
    if len(integers) != len(types):
        raise Unfit(f"{text} is a range for one resource and a word for another: write two rules")
    low, high = found
    if not any(one.low <= low and high <= one.high for one in integers):
        raise Unfit(f"{text} is not within {integers[0].low}-{integers[0].high}")
    return low, high
