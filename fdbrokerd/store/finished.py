# SPDX-License-Identifier: MIT
"""The transactions that were finished in the recent past, for a Commit that is repeated.

A client that sees the daemon die between the commit and its answer cannot know what happened; it
asks again, and is told.
"""

from collections import OrderedDict
from collections.abc import Iterator

MAX_FINISHED = 1024
"""A Commit is repeated within seconds of a restart; all of these are written at each compaction,
some hundred bytes each."""

MAX_FINISHED_PER_UID = 64
"""More than one process has under way at once."""


class Finished:
    """The last transactions: whose each was, and the name of its item."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._of_uid: dict[int, int] = {}

    def add(self, transaction: str, uid: int, item: str) -> None:
        """Remember one, and forget one where there are too many."""
        if transaction in self._done:
            self._forget(transaction)
        self._done[transaction] = (uid, item)
        self._of_uid[uid] = self._of_uid.get(uid, 0) + 1
        if self._of_uid[uid] > MAX_FINISHED_PER_UID:
            self._forget_oldest_of(MAX_FINISHED_PER_UID + 1)
        elif len(self._done) > MAX_FINISHED:
            self._forget_oldest_of(max(self._of_uid.values()))

    def _forget_oldest_of(self, count: int) -> None:
        """Forget the oldest of a uid that has so many: who has the most pays for one too many."""
        for transaction, (uid, _) in self._done.items():
            if self._of_uid[uid] == count:
                self._forget(transaction)
                return

    def _forget(self, transaction: str) -> None:
        uid, _ = self._done.pop(transaction)
        self._of_uid[uid] -= 1
        if not self._of_uid[uid]:
            del self._of_uid[uid]

    def find(self, transaction: str) -> tuple[int, str] | None:
        """Return whose it was and its item's name, or None."""
        return self._done.get(transaction)

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        """Go through transaction, uid and item, the oldest first."""
        return ((transaction, uid, item) for transaction, (uid, item) in self._done.items())

    def __len__(self) -> int:
        return len(self._done)
