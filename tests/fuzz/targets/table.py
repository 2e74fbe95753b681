# SPDX-License-Identifier: MIT
"""The store's table: any bytes are a table, or lost; any records are applied, or end the log.

With the first bit the data is the memory itself; without, it is the payloads of records whose
checksums are right, which noise never has.
"""

import os
from contextlib import closing
from zlib import crc32

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store.log import Log, TableLost
from fdbrokerd.store.records import Unreadable, decode, encode
from fdbrokerd.store.state import State
from fdbrokerd.store.table import Table
from tests.fuzz.choices import Choices

TOKENS = (
    b"fdbtable\x01", b'{"type":"put","item":{', b'"name":"s/a"', b'"owner":0', b'"created":1',
    b'"expires":null', b'"metadata":{}', b'"parts":[{"name":"x","id":1,"type":"pipe","what":""}]',
    b'"transaction":"t"', b'{"type":"gone","name":"s/a"}', b'{"type":"returned","id":"g"}',
    b'{"type":"leased","id":"g","uid":1,"resource":"r","weight":1,"key":["a",1],"pid":1,"inode":1}',
    b"\0", b"\xff\xff\xff\xff", b"-1", b"9223372036854775808", b"}",
)  # fmt: skip


def check(data: bytes) -> None:
    """Load it, and compare with the records one by one."""
    choices = Choices(data)
    if choices.flag():
        _load(choices.rest())
        return
    expected = State()
    memory = _memory(b"")
    with closing(Log(memory)) as log:
        log.begin(1, expected)
        image = bytearray(os.pread(memory.fileno(), log.end, 0))
    crc = _last_crc(image)
    whole = True
    while choices.left:
        payload = choices.take(choices.below(400))
        length = len(payload).to_bytes(4, "little")
        crc = crc32(payload, crc32(length, crc))
        image += length + crc.to_bytes(4, "little") + payload
        whole = whole and _applied(payload, expected)
    with closing(Log(_memory(bytes(image)))) as log:
        state = log.read()
    assert state is not None
    told = state.encode_snapshot()
    assert told == expected.encode_snapshot()
    assert State.of_snapshot(told).encode_snapshot() == told


def _applied(payload: bytes, state: State) -> bool:
    """Apply a record to a state; tell whether it was one."""
    try:
        record = decode(payload)
    except Unreadable:
        return False
    assert decode(encode(record)) == record
    state.apply(record)
    return True


def _load(data: bytes) -> None:
    try:
        table = Table.load(_memory(data))
    except TableLost:
        return
    told = table.state.encode_snapshot()
    table.close()
    assert State.of_snapshot(told).encode_snapshot() == told


def _last_crc(image: bytes | bytearray) -> int:
    """Return the header's checksum, the four bytes before the body: the first record's goes on."""
    body = State().encode_snapshot()
    return int.from_bytes(image[-len(body) - 4 : -len(body)], "little")


def _memory(data: bytes) -> OwnedFd:
    memory = OwnedFd(os.memfd_create("fuzz", os.MFD_CLOEXEC))
    os.pwrite(memory.fileno(), data, 0)
    return memory
