# SPDX-License-Identifier: MIT
"""One memfd of the table: what it holds after a crash, after damage, and where memory runs out."""

import os
import random
import resource
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from unittest.mock import patch
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.fd import OwnedFd
from fdbrokerd.store import log
from fdbrokerd.store.log import MAGIC, VERSION, Log, TableLost
from fdbrokerd.store.records import Gone, Put, Record, encode
from fdbrokerd.store.state import State

from .changes import RECORDS, an_item, contents, holding

often = settings(max_examples=60, deadline=None)


def written(records: list[Record], generation: int = 1) -> tuple[bytes, list[int], list[bytes]]:
    """Return a log of these, where each record ends, and what is in it by then."""
    state = State()
    with closing(Log(holding(b""))) as made:
        made.begin(generation, state)
        ends, states = [made.end], [state.encode_snapshot()]
        for record in records:
            made.append(record)
            state.apply(record)
            ends.append(made.end)
            states.append(state.encode_snapshot())
        return contents(made.memory), ends, states


def read(data: bytes) -> bytes | None:
    with closing(Log(holding(data))) as made:
        state = made.read()
        return None if state is None else state.encode_snapshot()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow above this: the kernel writes what fits and then refuses with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(st.lists(RECORDS, max_size=12))
@often
def test_what_was_written_is_read(records: list[Record]) -> None:
    data, ends, states = written(records)
    assert len(data) == ends[-1]
    assert read(data) == states[-1]


@given(st.lists(RECORDS, min_size=1, max_size=4))
@settings(often, max_examples=20)
def test_a_cut_at_any_byte_leaves_the_records_before_it(records: list[Record]) -> None:
    data, ends, states = written(records)
    assert all(read(data[:cut]) is None for cut in range(ends[0]))
    for cut in range(ends[0], len(data) + 1):
        whole = sum(end <= cut for end in ends) - 1
        assert read(data[:cut]) == states[whole]


@given(st.lists(RECORDS, min_size=1, max_size=8), st.data())
@often
def test_damage_anywhere_leaves_the_records_before_it(
    records: list[Record], data: st.DataObject
) -> None:
    whole, ends, states = written(records)
    place = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=12))
    damaged = bytearray(whole)
    damaged[place : place + len(noise)] = noise
    pairs = enumerate(zip(whole, damaged, strict=False))
    sound = next((at for at, (old, new) in pairs if old != new), len(whole))
    last = sum(end <= sound for end in ends) - 1
    with suppress(TableLost):
        assert read(bytes(damaged)) == (states[last] if last >= 0 else None)


@pytest.mark.parametrize("place", range(24 + 1))
def test_every_bit_of_the_header_counts(place: int) -> None:
    data, _, _ = written([])
    for bit in range(8):
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        newer = place == len(MAGIC) and damaged[place] > VERSION
        if newer:
            with pytest.raises(TableLost, match="written by a newer fdbrokerd"):
                read(bytes(damaged))
        else:
            assert read(bytes(damaged)) is None


@given(st.binary(max_size=200))
@often
def test_noise_is_nothing(noise: bytes) -> None:
    assert read(noise) is None
    assert read(MAGIC + b"\0" + noise) is None
    assert read(MAGIC + bytes([VERSION]) + noise) is None


def with_crc(fields: bytes, body: bytes) -> bytes:
    return fields + crc32(body, crc32(fields)).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"next_id": 1, "items": [], "leases": [], "finished": [], "more": 1}',
        b'{"next_id": "1", "items": [], "leases": [], "finished": []}',
        b'{"next_id": 1, "items": [], "leases": [], "finished": [["\xff", 1, "a"]]}',
        b'{"next_id": ' + b"9" * 5000 + b', "items": [], "leases": [], "finished": []}',
    ],
)
def test_a_snapshot_that_is_whole_and_no_table_is_nothing(body: bytes) -> None:
    assert read(with_crc(struct.pack("<8sBQI", MAGIC, VERSION, 1, len(body)), body)) is None


def test_a_length_beyond_the_end_is_nothing_and_asks_for_no_memory() -> None:
    body = State().encode_snapshot()
    for length in (len(body) + 1, 2**32 - 1):
        assert read(with_crc(struct.pack("<8sBQI", MAGIC, VERSION, 1, length), body)) is None
    assert read(with_crc(struct.pack("<8sBQI", MAGIC, VERSION, 1, len(body)), body)) == body
    data, ends, states = written([Gone("s/a", "t", 1)])
    longer = bytearray(data)
    longer[ends[0]] += 1
    assert read(bytes(longer)) == states[0]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"null",
        b'{"type": "unknown"}',
        b'{"type":"gone"}',
        b'{"type":"gone","name":1}',
        b'{"type":"gone","name":"s/a","more":1}',
        b'{"type":"gone","name":"\xff"}',
        b"[" * 100_000,
        b'{"type":"gone","name":"s/a"} ' + b" " * log.MAX_RECORD_BYTES,
    ],
)
def test_a_record_that_is_whole_and_none_of_ours_ends_the_log(payload: bytes) -> None:
    data, ends, states = written([Put(an_item("s/a", 1))])
    last_crc = int.from_bytes(data[ends[0] + 4 : ends[0] + 8], "little")
    length = len(payload).to_bytes(4, "little")
    crc = crc32(payload, crc32(length, last_crc)).to_bytes(4, "little")
    assert read(data + length + crc + payload) == states[-1]
    good = encode(Gone("s/a"))
    length = len(good).to_bytes(4, "little")
    crc = crc32(good, crc32(length, last_crc)).to_bytes(4, "little")
    assert read(data + length + crc + good) != states[-1], "the way this test writes one is right"


def test_what_an_earlier_life_left_never_fits() -> None:
    """The end of a longer record, and a whole record of another generation."""
    forged = encode(Gone("s/a"))
    old, ends, _ = written([Put(an_item("s/a", 1)), Gone("s/a")], generation=1)
    new, new_ends, states = written([Put(an_item("s/a", 1))], generation=2)
    assert new_ends == ends[:2], "the same lengths, so that the old record lies where it could fit"
    assert read(new + old[ends[1] :]) == states[-1]
    plain = len(forged).to_bytes(4, "little") + crc32(forged).to_bytes(4, "little") + forged
    assert read(new + plain) == states[-1]


def test_a_file_of_holes_is_never_read() -> None:
    with closing(Log(holding(b"x"))) as made:
        os.ftruncate(made.memory.fileno(), 1 << 40)
        assert made.read() is None


def test_what_is_no_memfd_is_nothing() -> None:
    for flags, path in ((os.O_RDONLY, "/"), (os.O_RDWR, "/dev/null"), (os.O_PATH, "/")):
        with closing(Log(OwnedFd(os.open(path, flags | os.O_CLOEXEC)))) as made:
            assert made.read() is None


def test_a_record_is_one_write_behind_the_last_one() -> None:
    with closing(Log(holding(b""))) as made:
        made.begin(1, State())
        end = made.end
        with patch.object(os, "pwrite", wraps=os.pwrite) as pwrite:
            made.append(Gone("s/a"))
        (call,) = pwrite.call_args_list
        assert call.args[2] == end
        assert made.end == end + len(call.args[1])


def test_a_write_that_does_not_fit_leaves_the_log_as_it_was() -> None:
    """The kernel's own short writes: at each size from none to one byte too few."""
    with closing(Log(holding(b""))) as made:
        made.begin(1, State())
        made.append(Put(an_item("s/a", 1)))
        before, end = contents(made.memory), made.end
        record = Put(an_item("s/b", 2))
        for short in range(8 + len(encode(record))):
            with room_for(end + short), pytest.raises(OSError, match=r"were written|too large"):
                made.append(record)
            assert contents(made.memory) == before
            assert made.end == end
        made.append(record)
        state = made.read()
        assert state is not None
        assert list(state.items) == ["s/a", "s/b"]


def test_what_could_not_even_be_cut_off_is_covered_or_ends_the_log() -> None:
    with closing(Log(holding(b""))) as made:
        made.begin(1, State())
        with (
            room_for(made.end + 150),
            patch.object(os, "ftruncate", side_effect=OSError),
            pytest.raises(OSError, match="were written"),
        ):
            made.append(Put(an_item("s/long" * 30, 1)))
        end = made.end
        assert len(contents(made.memory)) == end + 150
        made.append(Put(an_item("s/a", 1)))
        expected, end = made.end, made.end
        state = made.read()
        assert state is not None
        assert list(state.items) == ["s/a"]
        assert made.end == expected
        made.cut()
        assert len(contents(made.memory)) == end


def test_a_snapshot_that_does_not_fit_is_nothing() -> None:
    state = State()
    with closing(Log(holding(b""))) as made:
        made.begin(1, state)
        size = made.end
        for room in range(size):
            with room_for(room), pytest.raises(OSError, match=r"were written|too large"):
                made.begin(2, state)
            assert made.generation == 0
            assert made.read() is None


def test_too_much_is_refused_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Log(holding(b""))) as made:
        made.begin(1, State())
        before = contents(made.memory)
        with monkeypatch.context() as patched:
            patched.setattr(log, "MAX_RECORD_BYTES", 10)
            with pytest.raises(OSError, match="a record of the table has"):
                made.append(Gone("s/a"))
        with monkeypatch.context() as patched:
            patched.setattr(log, "MAX_LOG_BYTES", made.end + 10)
            with pytest.raises(OSError, match="would be over"):
                made.append(Gone("s/a"))
            assert made.read() is not None
            patched.setattr(log, "MAX_LOG_BYTES", len(before) - 1)
            assert made.read() is None
        assert contents(made.memory) == before


def test_the_largest_item_is_a_record() -> None:
    """253 descriptors with paths of which JSON makes the most, and a message full of metadata."""
    item = an_item("s/" + "n" * 254, *range(1, 254))
    parts = tuple(
        type(part)("n" * 250 + part.name, part.id, "file", "\x01" * 4096) for part in item.parts
    )
    item = type(item)(item.name, 1, 1, None, {"k": '"' * 2**16}, parts, "t" * 32)
    assert len(encode(Put(item))) < log.MAX_RECORD_BYTES


def test_random_damage_to_a_long_log_never_raises() -> None:
    chance = random.Random(1)  # noqa: S311 (no secret)
    records: list[Record] = [Put(an_item(f"s/{number}", number)) for number in range(1, 60)]
    data, _, states = written(records)
    for _ in range(1000):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        with suppress(TableLost):
            assert read(bytes(damaged)) in {None, *states}
