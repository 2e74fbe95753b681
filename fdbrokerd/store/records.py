# SPDX-License-Identifier: MIT
"""The changes of the table, each one record of its log.

A new record, a new field or another meaning is another version of the log's format: what an older
fdbrokerd cannot read it must not take for a torn tail and cut off.
"""

import msgspec

from fdbrokerd.errors import Error
from fdbrokerd.store.item import Item


class Unreadable(Error):
    """Bytes that are no record, or no snapshot, of this version."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Put(_Record, frozen=True, tag="put"):
    """The item comes to be, or takes the place of the one of its name."""

    item: Item


class Gone(_Record, frozen=True, tag="gone"):
    """The item was removed or has expired; with a transaction, a Take of this uid was committed."""

    name: str
    transaction: str = ""
    uid: int = -1


class Leased(_Record, frozen=True, tag="leased"):
    """A lease began. `key` is what it is counted under, `pid` and `inode` are its process."""

    id: str
    uid: int
    resource: str
    weight: int
    key: tuple[str | int, ...]
    pid: int
    inode: int


class Returned(_Record, frozen=True, tag="returned"):
    """A lease ended."""

    id: str


Record = Put | Gone | Leased | Returned

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the record as JSON."""
    return _encoder.encode(record)


def decode(data: bytes | memoryview) -> Record:
    """Return the record that these bytes are. Raises Unreadable."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unreadable(f"not a record: {error}") from error
