# SPDX-License-Identifier: MIT
"""Globs over items' names, as rules and stores write them: what they can match, compared by text.

`*` and `?` stay within a level, `**` as a whole level is any number of them (`path_glob`).
"""

import re
from collections.abc import Callable, Sequence

MAX_GLOB_CHARACTERS = 256
"""No item's name is longer, its resource's included."""

_LEVEL = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9._@+*?-]*")
"""What can match ITEM_COMPONENT."""


def item_glob_problem(glob: str) -> str | None:
    """Return why a glob can match no item's name, or None."""
    if len(glob) > MAX_GLOB_CHARACTERS:
        return f"is longer than {MAX_GLOB_CHARACTERS} characters"
    for level in glob.split("/"):
        if not level:
            return "has an empty level: no '/' at its begin or end, and no two beside each other"
        if "**" in level and level != "**":
            return "has `**` in a level: it stands for whole levels"
        if not _LEVEL.fullmatch(level):
            return (
                "can match no item: levels of letters, digits and . _ @ + - * ?, "
                "each begun by a letter, a digit, _ or a wildcard"
            )
    return None


def includes(wide: str, narrow: str) -> bool:
    """Tell whether every name that one glob matches is certainly matched by the other.

    The wildcards of the narrow one are read as letters that only a wildcard can stand for: what
    takes the place of them takes it in the wide one's wildcard, too.
    """

    def level(one: str, other: str) -> bool:
        return one == other or (other != "**" and _absorbs(one, other, "*", _letter))

    return _absorbs(wide.split("/"), narrow.split("/"), "**", level)


def meet(one: str, other: str) -> bool:
    """Tell whether a text exists that both globs match."""

    def level(first: str, second: str) -> bool:
        return _met(first, second, "*", lambda a, b: a == b or "?" in {a, b})

    return _met(one.split("/"), other.split("/"), "**", level)


def _letter(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide == "?" and narrow != "*")


def _absorbs(
    wide: Sequence[str], narrow: Sequence[str], many: str, same: Callable[[str, str], bool]
) -> bool:
    """Tell whether a pattern matches a text, whose pieces may be patterns themselves."""
    reached = {0}
    for piece in (*narrow, None):
        for at, step in enumerate(wide):  # a wildcard for many may be for none
            if at in reached and step == many:
                reached.add(at + 1)
        if piece is None:
            break
        reached = {
            at if wide[at] == many else at + 1
            for at in reached
            if at < len(wide) and (wide[at] == many or same(wide[at], piece))
        }
    return len(wide) in reached


def _met(
    one: Sequence[str], other: Sequence[str], many: str, same: Callable[[str, str], bool]
) -> bool:
    """Tell whether two patterns have a match in common, going through both side by side."""
    reached = {(0, 0)}
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if (i, j) not in reached:
                continue
            first = one[i] if i < len(one) else None
            second = other[j] if j < len(other) else None
            if many in {first, second}:
                reached |= {(i + 1, j)} if first is not None else set()
                reached |= {(i, j + 1)} if second is not None else set()
            elif first is not None and second is not None and same(first, second):
                reached.add((i + 1, j + 1))
    return (len(one), len(other)) in reached
