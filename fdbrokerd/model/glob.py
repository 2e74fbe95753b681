# SPDX-License-Identifier: MIT
"""Globs over names and over paths, as regular expressions that match the whole of them.

A peer chooses some of what is matched (the cgroups below a unit that is its own), so no expression
goes back over what it has matched: once the text up to the next `*` has been found as early as it
can be, finding it later can help nothing that follows. Groups that are not tried again, `(?>…)`,
say so, and a match costs no more than the length of the glob times that of the text.
"""

import re
from functools import lru_cache

MAX_KEPT = 4096
"""Expressions: those of the rules, and one for each user whose name a store's `names` holds."""

_LEVEL_ENDS = r"(?=/|\Z)"


@lru_cache(MAX_KEPT)
def name_glob(glob: str) -> re.Pattern[str]:
    """Return the expression of a glob over a name: `*` is any text, `?` any character."""
    return re.compile(_text(glob, "."), re.DOTALL)


@lru_cache(MAX_KEPT)
def path_glob(glob: str) -> re.Pattern[str]:
    """Return the expression of a glob over a path.

    `*` and `?` stay within one level; `**` as a whole level is any number of levels, none included:
    `/a/**` means /a and all below it, `/**/b` any b, `/**` every path, / itself included.
    """
    if glob == "/":
        return re.compile("/")
    runs: list[list[str]] = [[]]
    for level in glob.strip("/").split("/"):
        if level == "**":
            runs.append([])
        else:
            runs[-1].append("/" + _text(level, "[^/]") + _LEVEL_ENDS)
    first, *others = map("".join, runs)
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    found = "".join(f"(?>(?:/[^/]+)*?{run})" for run in middle if run)
    return re.compile(f"{first}{found}(?:/[^/]*)*?{last}", re.DOTALL)


def _text(glob: str, letter: str) -> str:
    """Return the expression of a glob without its end, where `letter` is what `?` stands for."""
    first, *others = (
        "".join(letter if one == "?" else re.escape(one) for one in part)
        for part in glob.split("*")
    )
    if not others:
        return first
    *middle, last = others
    found = "".join(f"(?>{letter}*?{part})" for part in middle if part)
    return f"{first}{found}{letter}*{last}"
