# SPDX-License-Identifier: MIT
"""The table of what is held, in two memfds that the service manager holds as well.

It outlives a SIGKILL at any moment. One memfd is active: a change is one record written at its end,
and has happened once that is whole. The other one is empty, save while the table is compacted into
it: body first, then the header with the next generation, and only then is the old one emptied, so
that at every moment the highest generation that is valid is the whole table. That the old one is
emptied matters too: were the new one ever damaged, an old table would bring back what was taken,
where no table at all is noticed.
"""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.store.log import MAX_LOG_BYTES, Log, TableLost
from fdbrokerd.store.state import State

if TYPE_CHECKING:
    from fdbrokerd.store.records import Record

COMPACT_BYTES = 256 * 1024
"""Below this a log is not worth rewriting: some thousand records, read in a few milliseconds."""

COMPACT_FACTOR = 2
"""As much again was appended as the table itself takes: so an append costs, over all, at most one
more write of its own size."""

_MFD_NOEXEC_SEAL = 0x8
"""Linux 6.3: never executable. EINVAL before that."""


class Table:
    """A state, and the memfds that keep it. Owns them until `close`.

    `fresh` are those of them that the service manager does not hold yet: give it these, in this
    order, before anything else. `cut_bytes` is how much of a torn record `load` found and cut off.
    """

    def __init__(self, state: State, logs: tuple[Log, Log] | None) -> None:
        """Take the logs over: the active one first. Without any, nothing lasts."""
        self.state = state
        self.fresh: tuple[OwnedFd, ...] = ()
        self.cut_bytes = 0
        self._logs = logs
        self._compact_past = 0 if logs is None else _compact_past(logs[0])

    @classmethod
    def in_memory(cls) -> "Table":
        """Return an empty table that ends with the process."""
        return cls(State(), None)

    @classmethod
    def create(cls) -> "Table":
        """Return an empty table in two new memfds. Raises OSError."""
        memories: list[OwnedFd] = []
        try:
            memories += (_new_memory(),)
            memories += (_new_memory(),)
            logs = (Log(memories[0]), Log(memories[1]))
            state = State()
            logs[0].begin(1, state)
        except BaseException:
            close_all(memories)
            raise
        table = cls(state, logs)
        table.fresh = table.descriptors
        return table

    @classmethod
    def load(cls, first: OwnedFd, second: OwnedFd | None = None) -> "Table":
        """Return the table that these hold, in whichever order. Takes both over.

        There is only one where the daemon died before the service manager was told of the other;
        a new one is made, and `fresh`. Raises TableLost where nothing valid is in them, OSError;
        both are closed then, and only the service manager still has them.
        """
        given = [first] if second is None else [first, second]
        memories = list(given)
        try:
            state, active = _highest([Log(memory) for memory in given])
            if second is None:
                memories += (_new_memory(),)
            idle = Log(memories[active.memory is first])
            cut_bytes = active.cut()
            with suppress(OSError):  # a compaction was under way; the next one empties it as well
                idle.clear()
        except BaseException:
            close_all(memories)
            raise
        table = cls(state, (active, idle))
        table.fresh = (idle.memory,) if second is None else ()
        table.cut_bytes = cut_bytes
        return table

    @property
    def durable(self) -> bool:
        """Tell whether it is kept in memfds at all."""
        return self._logs is not None

    @property
    def descriptors(self) -> tuple[OwnedFd, ...]:
        """Return both memfds, still owned here: the active one first. None in memory alone."""
        return () if self._logs is None else tuple(log.memory for log in self._logs)

    def append(self, record: "Record") -> tuple[int, ...]:
        """Make a change that lasts, and return the ids that nothing uses any more.

        Raises OSError where it could not be written, and then nothing has changed.
        """
        if self._logs is not None:
            self._logs[0].append(record)
        freed = self.state.apply(record)
        if self._logs is not None and self._logs[0].end > self._compact_past:
            self._logs = self._compacted(*self._logs)
        return freed

    def _compacted(self, active: Log, idle: Log) -> tuple[Log, Log]:
        """Return the logs, changed over where that worked; where not, it is tried again later."""
        try:
            idle.begin(active.generation + 1, self.state)
        except OSError:
            self._compact_past = active.end + COMPACT_BYTES
            with suppress(OSError):
                idle.clear()
            return active, idle
        with suppress(OSError):  # the higher generation counts in any case
            active.clear()
        self._compact_past = _compact_past(idle)
        return idle, active

    def close(self) -> None:
        """Close both memfds; what the service manager holds stays."""
        close_all(self.descriptors)


def _highest(logs: list[Log]) -> tuple[State, Log]:
    """Return the state of the highest generation, and its log. Raises TableLost."""
    states = [(state, log) for log in logs if (state := log.read()) is not None]
    if not states:
        raise TableLost(
            "the table of the store is damaged: what is held is there, its names are not"
        )
    return max(states, key=lambda pair: pair[1].generation)


def _compact_past(log: Log) -> int:
    """Return the size to compact at; always one that can still be written."""
    return min(max(COMPACT_BYTES, COMPACT_FACTOR * log.begun), MAX_LOG_BYTES // 2)


def _new_memory() -> OwnedFd:
    name = "fdbrokerd-table"
    try:
        return OwnedFd(os.memfd_create(name, os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL))
    except OSError:
        return OwnedFd(os.memfd_create(name, os.MFD_CLOEXEC))
