# SPDX-License-Identifier: MIT
"""One memfd of the table: a header, a snapshot, and the records since.

    header    magic (8), version (1), generation (8), length of the snapshot (4), crc32 (4)
    snapshot  JSON
    record    length (4), crc32 (4), JSON; again and again to the end

Numbers are little-endian. Each record's crc goes on from the one before it, the first one's from
the header's: what an earlier life left behind an end can never fit there.

A process that is killed leaves the beginning of the write that it was at, and no later one: memory
has no order of its own, as disks have, and needs no fsync.
"""

import os
import struct
from contextlib import suppress
from errno import EFBIG, EMSGSIZE, ENOSPC
from zlib import crc32

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.records import Record, Unreadable, decode, encode
from fdbrokerd.store.state import State

MAGIC = b"fdbtable"

VERSION = 1
"""What is above is never read: an older daemon would cut off, and so lose, what it does not know.
Magic and version stay where they are for ever."""

MAX_RECORD_BYTES = 8 * 1024 * 1024
"""253 descriptors, each with a path of 4,096 characters that JSON makes six of, and a message of
64 KiB that names them."""

MAX_LOG_BYTES = 256 * 1024 * 1024
"""A thousand users who fill their quotas need a quarter of it; a reader takes no more memory."""

_FIELDS = struct.Struct("<8sBQI")
_HEADER_BYTES = _FIELDS.size + 4
_BEFORE_RECORD = struct.Struct("<II")


class TableLost(Error):
    """The table cannot be read, so nobody knows what is held under which name."""


class NewerTable(TableLost):
    """The table can be read, but not by us. It must stay as it is."""


class Log:
    """A memfd, owned until `close`, and how far it is valid.

    `generation` is 0 while it holds nothing valid. `begun` is where its records begin, `end` where
    the next one goes.
    """

    __slots__ = ("_crc", "begun", "end", "generation", "memory")

    def __init__(self, memory: OwnedFd) -> None:
        self.memory = memory
        self._forget()

    def _forget(self) -> None:
        self.generation = self.begun = self.end = self._crc = 0

    def read(self) -> State | None:
        """Return what it holds, up to the first record that is not whole; None if nothing valid.

        Raises NewerTable for what a newer fdbrokerd wrote.
        """
        self._forget()
        data = memoryview(_contents(self.memory.fileno()))
        if len(data) < _HEADER_BYTES:
            return None
        magic, version, generation, length = _FIELDS.unpack_from(data)
        if magic != MAGIC:
            return None
        if version > VERSION:
            raise NewerTable(
                f"the table of the store was written by a newer fdbrokerd (its format is {version},"
                f" {VERSION} is the last one known here): start that one again"
            )
        begun = _HEADER_BYTES + length
        crc = crc32(data[_HEADER_BYTES:begun], crc32(data[: _FIELDS.size]))
        if begun > len(data) or crc.to_bytes(4, "little") != data[_FIELDS.size : _HEADER_BYTES]:
            return None
        try:
            state = State.of_snapshot(data[_HEADER_BYTES:begun])
        except Unreadable:
            return None
        self.generation, self.begun, self.end, self._crc = generation, begun, begun, crc
        while self._replay(data, state):
            pass
        return state

    def _replay(self, data: memoryview, state: State) -> bool:
        """Apply the record at the end, and move the end behind it; False where none is whole."""
        if len(data) - self.end < _BEFORE_RECORD.size:
            return False
        length, told = _BEFORE_RECORD.unpack_from(data, self.end)
        begin = self.end + _BEFORE_RECORD.size
        payload = data[begin : begin + length]
        if len(payload) < length or length > MAX_RECORD_BYTES or told != self._crc_with(payload):
            return False
        try:
            record = decode(payload)
        except Unreadable:
            return False
        state.apply(record)
        self._crc, self.end = told, begin + length
        return True

    def _crc_with(self, payload: bytes | memoryview) -> int:
        return crc32(payload, crc32(len(payload).to_bytes(4, "little"), self._crc))

    def append(self, record: Record) -> None:
        """Write one record with one write. Raises OSError, and then the log is as it was."""
        payload = encode(record)
        if len(payload) > MAX_RECORD_BYTES:
            raise OSError(EMSGSIZE, f"a record of the table has {len(payload)} bytes")
        crc = self._crc_with(payload)
        try:
            self._write(_BEFORE_RECORD.pack(len(payload), crc) + payload, self.end)
        except OSError:
            with suppress(OSError):  # what stays is cut off by the next reader
                self.cut()
            raise
        self._crc = crc
        self.end += _BEFORE_RECORD.size + len(payload)

    def begin(self, generation: int, state: State) -> None:
        """Write a snapshot instead of what is there; the header, which makes it valid, last.

        Raises OSError, and then there is nothing valid.
        """
        self.clear()
        body = state.encode_snapshot()
        fields = _FIELDS.pack(MAGIC, VERSION, generation, len(body))
        crc = crc32(body, crc32(fields))
        self._write(body, _HEADER_BYTES)
        self._write(fields + crc.to_bytes(4, "little"), 0)
        self.generation, self._crc = generation, crc
        self.begun = self.end = _HEADER_BYTES + len(body)

    def _write(self, data: bytes, offset: int) -> None:
        """Write all of it with one write: a memfd takes less only where memory has run out."""
        if offset + len(data) > MAX_LOG_BYTES:
            raise OSError(EFBIG, f"the table of the store would be over {MAX_LOG_BYTES} bytes")
        written = os.pwrite(self.memory.fileno(), data, offset)
        if written != len(data):
            raise OSError(ENOSPC, f"only {written} of {len(data)} bytes of the table were written")

    def clear(self) -> None:
        """Empty it, and give its memory back. Raises OSError."""
        self._forget()
        self.cut()

    def cut(self) -> int:
        """Cut off what is behind the end, and return how many bytes that were. Raises OSError."""
        tail = os.fstat(self.memory.fileno()).st_size - self.end
        if tail:
            os.ftruncate(self.memory.fileno(), self.end)
        return tail

    def close(self) -> None:
        """Close the memfd."""
        self.memory.close()


def _contents(number: int) -> bytes:
    """Return all that a borrowed memfd holds; nothing for what is none, or is never ours."""
    chunks = []
    offset = 0
    try:
        size = os.fstat(number).st_size
        while size <= MAX_LOG_BYTES and (chunk := os.pread(number, size - offset, offset)):
            chunks.append(chunk)
            offset += len(chunk)
    except OSError:
        return b""
    return b"".join(chunks)
