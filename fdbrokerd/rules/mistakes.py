# SPDX-License-Identifier: MIT
"""What was found wrong so far: reading goes on after a mistake, so that one run shows them all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from fdbrokerd.errors import ConfigurationError

_SHOWN_CHARACTERS = 40
"""How much of a wrong text is repeated in a message."""


class Mistakes:
    """A list of mistakes that ends in one exception."""

    def __init__(self) -> None:
        self._found: list[ConfigurationError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what the block raises, and go on after it."""
        try:
            yield
        except ConfigurationError as error:
            self._found.extend(error.mistakes)

    def add(self, mistake: ConfigurationError) -> None:
        """Keep one."""
        self._found.append(mistake)

    def check(self, order: Iterable[str] = ()) -> None:
        """Raise what was kept, if anything, in the order of files, lines and columns.

        Files that are not in the order come first: they are what kept others from being read.
        """
        if not self._found:
            return
        known = list(order)
        files = [one.file for one in self._found if one.file not in known] + known
        self._found.sort(key=lambda one: (files.index(one.file), one.line, one.column))
        first, *others = self._found
        raise ConfigurationError(
            first.message, first.file, first.line, first.column, tuple(others)
        ) from first


def shown(text: str) -> str:
    """Return a text in quotes, cut where it is long and escaped where it is not printable."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return repr(cut)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the known one that may be meant."""
    close = get_close_matches(word[:_SHOWN_CHARACTERS], sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
