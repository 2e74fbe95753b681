# SPDX-License-Identifier: MIT
"""One record: a line of JSON and a datagram, neither of which anything in it can break."""

import json
import re
from time import monotonic_ns, time_ns
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdbrokerd.audit import Record
from fdbrokerd.audit.record import (
    ANSWERED,
    DENIED,
    FAILED,
    GRANTED,
    HUNG_UP,
    REQUEST_ID,
    VIOLATION_ID,
    datagram,
    lines,
)

from .made import USER, a_peer

KEYS = ["time", "request", "peer", "method", "resource", "arguments", "verdict", "rules",
        "descriptors", "lease", "outcome", "detail", "duration"]  # fmt: skip


def a_record(outcome: str = ANSWERED, **values: Any) -> Record:
    record = Record(a_peer(pid=77), "id-1", "io.fdbroker.Broker.Get")
    record.outcome = outcome
    record.ended_ns = record.begun_ns + 5_000_000
    for name, value in values.items():
        setattr(record, name, value)
    return record


def fields(data: bytes) -> dict[str, str]:
    """Read a datagram as journald does (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    read: dict[str, str] = {}
    while data:
        head, _, data = data.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[8 + size :]
            assert data[:1] == b"\n"
            data = data[1:]
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name)
        assert name.decode() not in read
        read[name.decode()] = value.decode()
    return read


def sent(record: Record) -> dict[str, str]:
    return fields(datagram(record.fields()))


def test_a_line_has_every_key_in_order() -> None:
    record = a_record(
        GRANTED, resource="tls", arguments={"part": "key"}, verdict="allow", rules=("a", "b"),
        descriptors=2, lease="f00",
    )  # fmt: skip
    data = lines([record], time_ns() - monotonic_ns())
    told = json.loads(data)
    assert list(told) == KEYS
    assert data.endswith(b"\n")
    assert told["peer"] == {"pid": 77, "uid": USER, "gid": USER}
    assert (told["arguments"], told["rules"]) == ({"part": "key"}, ["a", "b"])
    assert told["time"] > 10**15
    assert told["duration"] == 5000


@given(st.text(max_size=20).filter(lambda text: text.isprintable() or "\n" in text))
def test_nothing_begins_a_line_of_its_own(text: str) -> None:
    record = a_record(resource=text, arguments={text: text}, detail=text, method=text)
    data = lines([record], 0)
    assert data.count(b"\n") == 1
    assert not re.search(rb"[\x00-\x09\x0b-\x1f]", data)
    assert json.loads(data)["arguments"] == {text: text}


def test_a_name_that_is_not_utf8_costs_no_record() -> None:
    """Of a file or a program; msgspec refuses it, and all the others with it."""
    first, second = lines([a_record(), a_record(detail="x\udcffy")], 0).splitlines()
    assert json.loads(first)["detail"] == ""
    assert json.loads(second)["detail"] == "x\\udcffy"
    assert sent(a_record(detail="x\udcffy"))["FDBROKER_DETAIL"] == "x\\udcffy"


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_nothing_begins_a_field_of_its_own(text: str) -> None:
    told = sent(a_record(FAILED, detail=f"{text}\nMESSAGE_ID=forged\n{text}", lease=text))
    assert told["MESSAGE_ID"] == REQUEST_ID
    assert told["FDBROKER_DETAIL"] == f"{text}\nMESSAGE_ID=forged\n{text}"


@pytest.mark.parametrize(
    ("value", "read"),
    [("plain", "plain"), ("a=b", "a=b"), ("\n", "\n"), ("a\nUID=0", "a\nUID=0"), ("ä", "ä"),
     ("\udcff", "\\udcff"), ("\0", "\0")],
    ids=ascii,
)  # fmt: skip
def test_the_journals_framing(value: str, read: str) -> None:
    assert fields(datagram({"A": value, "B": "2"})) == {"A": read, "B": "2"}


@pytest.mark.parametrize(
    ("outcome", "id_", "priority"),
    [
        (GRANTED, REQUEST_ID, "6"),
        (ANSWERED, REQUEST_ID, "6"),
        (DENIED, REQUEST_ID, "5"),
        (FAILED, REQUEST_ID, "4"),
        (HUNG_UP, VIOLATION_ID, "4"),
    ],
)
def test_what_the_journal_sorts_by(outcome: str, id_: str, priority: str) -> None:
    told = sent(a_record(outcome))
    assert (told["MESSAGE_ID"], told["PRIORITY"]) == (id_, priority)
    assert told["FDBROKER_OUTCOME"] == outcome
    assert told["FDBROKER_PEER_UID"] == str(USER)
    assert "FDBROKER_RULE" not in told, "what is empty is left out"


def test_a_peer_that_nobody_knows() -> None:
    record = Record(None, "id-2")
    assert json.loads(lines([record], 0))["peer"] is None
    assert "FDBROKER_PEER_UID" not in sent(record)
    assert record.message() == "Answered for somebody"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (a_record(GRANTED, resource="pty"), f"Granted Get pty for uid {USER} (pid 77)"),
        (a_record(FAILED, resource="pty", detail="why"),
         f"Failed Get pty for uid {USER} (pid 77): why"),
        (a_record(DENIED, resource="pty for uid 0"), f"Denied Get for uid {USER} (pid 77)"),
        (a_record(DENIED, resource="a\nb"), f"Denied Get for uid {USER} (pid 77)"),
        (a_record(FAILED, method="x.Get pty for uid 0"), f"Failed for uid {USER} (pid 77)"),
        (a_record(FAILED, method="x.ä"), f"Failed for uid {USER} (pid 77)"),
        (a_record(HUNG_UP, method=""), f"Hung-up for uid {USER} (pid 77)"),
    ],
)  # fmt: skip
def test_a_sentence_holds_only_plain_names(record: Record, message: str) -> None:
    assert record.message() == message
