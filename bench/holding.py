# SPDX-License-Identifier: MIT
"""fdbrokerd started again, with so many items that its service manager kept.

usage: python -m bench.holding COUNT --config FILE

Of as many items a Put each would take minutes. The table is the store's own, and what it names
comes as from systemd: open, in order, under LISTEN_FDS.
"""

import fcntl
import os
import sys

from fdbrokerd.fdstore import FDSTORE
from fdbrokerd.store.alarm import now_ns
from fdbrokerd.store.held import name_of
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.records import Put
from fdbrokerd.store.store import TABLES
from fdbrokerd.store.table import Table
from fdbrokerd.systemd import FIRST_DESCRIPTOR

STORED = 4096
"""Of FileDescriptorStoreMax=, as the unit has it."""

SPARE = 16
"""Of those for what is put while it is measured."""

NAME = "store/many/{index}"


def _table(count: int, descriptors: int) -> Table:
    """Return the table of so many items; those beyond the descriptors share them."""
    table = Table.create()
    for index in range(count):
        part = Part("fd", 1 + index % descriptors, "eventfd", "eventfd")
        name = NAME.format(index=index)
        table.append(Put(Item(name, os.geteuid(), now_ns(), None, {}, (part,), "")))
    return table


def _lay_out(numbers: list[int]) -> None:
    """Have these descriptors, in order, where LISTEN_FDS says that they are, and stay over exec."""
    above = FIRST_DESCRIPTOR + len(numbers)
    # All of them out of the way first: the place of one may be another's number.
    aside = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for number in numbers]
    for place, number in enumerate(aside, FIRST_DESCRIPTOR):
        os.dup2(number, place, inheritable=True)


def main() -> None:
    """Become the daemon."""
    count = int(sys.argv[1])
    descriptors = min(count, STORED - TABLES - SPARE)
    # Of one sort, and one that is told apart only by asking the kernel (kcmp(2)): the dearest.
    eventfds = [os.eventfd(0) for _ in range(descriptors)]
    table = _table(count, descriptors)
    tables = [memory.fileno() for memory in table.descriptors]
    names = ["t0", "t1", *(name_of(1 + index) for index in range(descriptors))]
    _lay_out([*tables, *eventfds])
    os.environ |= {
        FDSTORE: str(STORED),
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(names)),
        "LISTEN_FDNAMES": ":".join(names),
    }
    os.execv(sys.executable, [sys.executable, "-m", "fdbrokerd.cli.daemon", *sys.argv[2:]])  # noqa: S606


if __name__ == "__main__":
    main()
