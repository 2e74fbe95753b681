# SPDX-License-Identifier: MIT
"""Changes of a table for hypothesis: of few names and ids, so that they meet often.

And memory to load them from: what a process that was killed at any byte of its writes leaves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from hypothesis import strategies as st

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.records import Gone, Leased, Put, Record, Returned
from fdbrokerd.store.table import Table

NAMES = st.sampled_from(["s/a", "s/b", "t/c"])
PARTS = st.sampled_from(["x", "y", "z"])
UIDS = st.integers(0, 3)
TRANSACTIONS = st.text("0123456789abcdef", max_size=2)
GRANTS = st.sampled_from(["g1", "g2"])

ITEMS = st.builds(
    Item,
    name=NAMES,
    owner=UIDS,
    created=st.integers(0, 2**62),
    expires=st.none() | st.integers(0, 2**62),
    metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    parts=st.lists(
        st.builds(Part, name=PARTS, id=st.integers(1, 9), type=st.just("pipe"), what=st.just("")),
        min_size=1,
        max_size=3,
        unique_by=lambda part: part.name,
    ).map(tuple),
    transaction=TRANSACTIONS,
)
PUTS = st.builds(Put, ITEMS)
LEASES = st.builds(
    Leased,
    id=GRANTS,
    uid=UIDS,
    resource=st.just("r"),
    weight=st.integers(1, 3),
    key=st.lists(st.text(max_size=2) | st.integers(-1, 2**32), max_size=3).map(tuple),
    pid=st.integers(1, 2**22),
    inode=st.integers(0, 2**64 - 1),
)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    PUTS,
    PUTS,
    st.builds(Gone, NAMES),
    st.builds(Gone, NAMES, TRANSACTIONS, UIDS),
    LEASES,
    st.builds(Returned, GRANTS),
)


def an_item(name: str = "s/a", *ids: int, transaction: str = "", owner: int = 7) -> Item:
    """Return an item with one part for each of these ids."""
    parts = tuple(Part(f"p{place}", number, "memfd", "") for place, number in enumerate(ids))
    return Item(name, owner, 1, None, {"k": "v"}, parts, transaction)


def holding(contents: bytes) -> OwnedFd:
    """Return a memfd that holds this."""
    memory = OwnedFd(os.memfd_create("test"))
    os.pwrite(memory.fileno(), contents, 0)
    return memory


def contents(memory: OwnedFd) -> bytes:
    return os.pread(memory.fileno(), os.fstat(memory.fileno()).st_size, 0)


def what_is_in(table: Table) -> bytes:
    """Return all that the table says, to be compared."""
    return table.state.encode_snapshot()


@contextmanager
def loaded(*each: bytes) -> Iterator[Table]:
    """Load a table from memory that holds this."""
    table = Table.load(*map(holding, each))
    try:
        yield table
    finally:
        table.close()


@dataclass
class Moment:
    """What both memfds hold when a process is killed; `whole` if the write that it was at ended."""

    memories: tuple[bytes, bytes]
    whole: bool


@contextmanager
def moments(table: Table) -> Iterator[list[Moment]]:
    """Collect each moment at which a process can be killed: after every byte it writes, or cuts."""
    seen: list[Moment] = []
    memories = sorted(table.descriptors, key=lambda memory: memory.fileno())
    files = {memory.fileno(): bytearray(contents(memory)) for memory in memories}

    def note(*, whole: bool) -> None:
        first, second = (bytes(file) for file in files.values())
        seen.append(Moment((first, second), whole))

    def pwrite(number: int, data: bytes, offset: int) -> int:
        for place in range(len(data)):
            note(whole=False)
            file = files[number]
            file.extend(bytes(max(0, offset + place + 1 - len(file))))
            file[offset + place] = data[place]
        note(whole=True)
        return real_pwrite(number, data, offset)

    def ftruncate(number: int, length: int) -> None:
        note(whole=False)
        del files[number][length:]
        note(whole=True)
        real_ftruncate(number, length)

    real_pwrite, real_ftruncate = os.pwrite, os.ftruncate
    with patch.object(os, "pwrite", pwrite), patch.object(os, "ftruncate", ftruncate):
        yield seen
