# SPDX-License-Identifier: MIT
"""Which resources the entries of rules are about, worked out once for each entry.

Many rules say the same: among a thousand rules about ten resources there are ten different entries,
or a few more.
"""

from collections.abc import Iterable

from fdbrokerd.model.resource import resource_of
from fdbrokerd.model.rule import covered


class Coverage:
    """Some names of resources, and which of them an entry covers."""

    __slots__ = ("_found", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._found: dict[str, tuple[str, ...]] = {}

    def of(self, entry: str) -> tuple[str, ...]:
        """Return the resources that an entry, a name or a glob, is about, or is about items of."""
        found = self._found.get(entry)
        if found is None:
            about = (resource_of(entry),)
            found = self._found[entry] = tuple(name for name in self._names if covered(name, about))
        return found
