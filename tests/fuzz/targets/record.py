# SPDX-License-Identifier: MIT
"""Records: a line and a datagram each, whatever they hold, and read back what was put in."""

import json

from fdbrokerd.audit.record import GRANTED, HUNG_UP, Record, datagram, lines
from fdbrokerd.model.peer import Peer
from tests.fuzz.choices import Choices

TOKENS = (
    b"\n", b"\r\n", b"\x1b[2J", b"\0", b"\nMESSAGE=forged\n", b'"}\n{"', b"\\", b"\xe2\x80\xa8",
    b"\xc2\x85", b"\x7f", b"\xed\xa0\x80", b"\xff", b"=",
)  # fmt: skip


def check(data: bytes) -> None:
    """Fill a record with texts; read its line as JSON and its datagram as journald does."""
    choices = Choices(data)
    record = Record(None if choices.flag() else Peer(1, 2, 3, frozenset()), "id")
    record.outcome = HUNG_UP if choices.flag() else GRANTED
    record.method, record.resource, record.detail = (choices.text() for _ in range(3))
    record.lease, record.verdict = choices.text(), choices.text()
    record.arguments = {choices.text(): choices.text() for _ in range(choices.below(4))}
    record.rules = tuple(choices.text() for _ in range(choices.below(4)))
    written = lines([record, record], 0)
    first, second, rest = written.split(b"\n")
    assert (first, rest) == (second, b"")
    assert not any(byte < 0x20 for byte in first)
    read = json.loads(first)
    for name in ("method", "resource", "detail", "lease", "verdict", "outcome", "descriptors"):
        assert read[name] == getattr(record, name), name
    assert read["arguments"] == record.arguments
    assert read["rules"] == list(record.rules)
    fields = record.fields()
    assert fields_of(datagram(fields)) == fields


def fields_of(data: bytes) -> dict[str, str]:
    """Read a datagram as journald does (systemd.io/JOURNAL_NATIVE_PROTOCOL), no field twice."""
    read: dict[str, str] = {}
    while data:
        head, _, data = data.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, end, data = data[8 : 8 + size], data[8 + size : 9 + size], data[9 + size :]
            assert end == b"\n"
        assert name.decode("ascii").replace("_", "").isalnum()
        assert name.decode() not in read, "a field that was begun by a value"
        read[name.decode()] = value.decode()
    return read
