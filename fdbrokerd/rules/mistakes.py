# SPDX-License-Identifier: MIT
"""What was found wrong so far: reading goes on after a mistake, so that one run shows them all."""

from bisect import bisect
from collections.abc import Iterable
from types import TracebackType

from fdbrokerd.errors import ConfigurationError

_SHOWN_CHARACTERS = 40
"""How much of a wrong text is repeated in a message."""

_COMPARED_WORDS = 100
"""On either side of a wrong word in the order of the alphabet: each takes some ten microseconds,
and of thousands of resources the one that is meant most often begins like it."""

MAX_MISTAKES = 100
"""Then nothing more is looked for: nobody reads on, and a file of commas has 131,000 of them, which
take 300 MiB and a reload's time."""


class Mistakes:
    """A list of mistakes that ends in one exception."""

    def __init__(self) -> None:
        self._found: list[ConfigurationError] = []

    def kept(self) -> "Mistakes":
        """Return what keeps the mistakes that a `with` block raises, and goes on after it."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, ConfigurationError):
            return False
        self._keep(error.mistakes)
        return True

    def add(self, mistake: ConfigurationError) -> None:
        """Keep one. Raises all of them where that makes them too many, as `kept` does."""
        self._keep((mistake,))

    def _keep(self, mistakes: Iterable[ConfigurationError]) -> None:
        self._found.extend(mistakes)
        if len(self._found) >= MAX_MISTAKES:
            del self._found[MAX_MISTAKES:]
            last = self._found[-1]
            enough = "and more, perhaps, which are not looked for"
            self._found.append(ConfigurationError(enough, last.file, last.line, last.column))
            self.check()

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
    from difflib import get_close_matches  # noqa: PLC0415 (most files have no mistakes)

    ordered = sorted(known)
    at = bisect(ordered, word)
    compared = ordered[max(at - _COMPARED_WORDS, 0) : at + _COMPARED_WORDS]
    close = get_close_matches(word[:_SHOWN_CHARACTERS], compared, n=1)
    return f"; did you mean {close[0]}?" if close else ""
