# SPDX-License-Identifier: MIT
"""Get: every outcome has its reply and one record, and who may not have a thing learns nothing."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .desk import Desk, told
from .made import OTHER, USER
from .office import an_office


@pytest.fixture
def desk(place: Path) -> Iterator[Desk]:
    with an_office(place) as desk:
        yield desk


OUTCOMES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # what is asked, what is replied, what is recorded
    ({"resource": "pty"}, {"kind": "pty"}, {"outcome": "granted", "verdict": "allow",
                                            "rules": ["users"], "descriptors": 2}),
    ({"resource": "pty", "count": 3, "arguments": {"rows": "5"}}, {"kind": "pty"},
     {"outcome": "granted", "descriptors": 6, "arguments": {"rows": "5"}}),
    ({"resource": "file"}, {"kind": "file"}, {"outcome": "granted", "descriptors": 1}),
    ({"resource": "slow"}, {"kind": "file"}, {"outcome": "granted", "descriptors": 1}),
    ({"resource": "one"}, {"kind": "pty"}, {"outcome": "granted", "rules": ["few"]}),
    ({"resource": "hidden"}, {"error": "Denied"},
     {"outcome": "denied", "verdict": "deny", "rules": [], "resource": "hidden"}),
    ({"resource": "nothing"}, {"error": "Denied"},
     {"outcome": "denied", "verdict": "deny", "rules": [], "resource": "nothing"}),
    ({"resource": "banned"}, {"error": "Denied", "hint": "Ask the office."},
     {"outcome": "denied", "verdict": "deny", "rules": ["never"]}),
    ({"resource": "parts", "arguments": {"part": "key"}}, {"error": "Denied"},
     {"outcome": "denied", "verdict": "deny", "rules": ["no-keys"],
      "arguments": {"part": "key", "must": "x"}}),
    ({"resource": "parts", "arguments": {"part": "zz"}},
     {"error": "InvalidArgument", "argument": "part", "reason": "is not one of key, chain"},
     {"outcome": "failed", "verdict": "", "arguments": {"part": "zz"}}),
    ({"resource": "parts", "arguments": {"zz": "1"}}, {"error": "InvalidArgument"},
     {"outcome": "failed", "detail": "argument zz: is unknown to this resource"}),
    ({"resource": "parts"}, {"error": "OpenFailed", "errnoName": "ENOENT", "errno": 2},
     {"outcome": "failed", "verdict": "allow"}),
    ({"resource": "missing"}, {"error": "OpenFailed", "errnoName": "ENOENT"},
     {"outcome": "failed", "verdict": "allow", "rules": ["few"], "descriptors": 0}),
    ({"resource": "slow-missing"}, {"error": "OpenFailed"}, {"outcome": "failed"}),
    ({"resource": "faulty"}, {"error": "OpenFailed", "errno": 0},
     {"outcome": "failed", "detail": "a fault of another package's kind"}),
    ({"resource": "pty", "count": 0}, {"error": "InvalidParameter", "parameter": "count"},
     {"outcome": "failed", "verdict": ""}),
    ({"resource": "pty", "count": -1}, {"error": "InvalidParameter"}, {"outcome": "failed"}),
    ({"resource": "file", "count": 2}, {"error": "InvalidParameter"}, {"outcome": "failed"}),
    ({"resource": "pty", "count": 127}, {"error": "LimitReached", "limit": "count"},
     {"outcome": "failed"}),
    ({"resource": "pty", "count": 10**30}, {"error": "LimitReached"}, {"outcome": "failed"}),
    ({"resource": "one", "count": 2}, {"error": "LimitReached", "limit": "held"},
     {"outcome": "failed", "verdict": "allow", "rules": ["few"]}),
    ({}, {"error": "InvalidParameter", "parameter": "resource"},
     {"outcome": "failed", "resource": "", "method": "io.fdbroker.Broker.Get"}),
    ({"resource": "pty", "arguments": {"a": "b\n"}}, {"error": "InvalidParameter"},
     {"outcome": "failed", "arguments": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "reply", "record"), OUTCOMES)
def test_every_outcome_has_its_reply_and_one_record(
    desk: Desk, asked: dict[str, Any], reply: dict[str, Any], record: dict[str, Any]
) -> None:
    got = desk.told("Get", **asked)
    assert got | reply == got
    (written,) = desk.records()
    assert written | record == written
    assert written["peer"]["uid"] == USER
    if "error" in reply:
        assert desk.nothing_is_held()
        assert got.get("request", written["request"]) == written["request"]
    else:
        assert got["grant"] == written["lease"] != "" or asked["resource"] != "one"
    assert desk.broker.recorder.requests == 1
    assert desk.broker.grants.descriptors == written["descriptors"]


def test_the_record_says_which_path_and_the_reply_does_not(desk: Desk) -> None:
    got = desk.told("Get", resource="parts")
    (written,) = desk.records()
    assert written["detail"].endswith("/chain: No such file or directory")
    assert "chain" not in str(got)


def test_as_many_as_one_message_carries(desk: Desk) -> None:
    answer = desk.ask("Get", resource="pty", count=126)
    assert len(answer.descriptors) == 252
    assert [one["fileDescriptor"] for one in told(answer)["parameters"]["descriptors"]] == list(
        range(252)
    )
    answer.delivered()
    assert all(one.closed for one in answer.descriptors)


def test_descriptors_end_with_the_answer_and_never_before(desk: Desk) -> None:
    answer = desk.ask("Get", resource="file")
    (one,) = answer.descriptors
    assert os.read(one.fileno(), 9) == b"text"
    assert fcntl.fcntl(one.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    assert desk.records() == [], "not before it is known how it went"
    answer.delivered()
    assert one.closed
    assert len(desk.records()) == 1


def refused_as(
    desk: Desk, name: str, scope: tuple[str, ...] | None, uid: int = OTHER, /, **more: object
) -> bytes:
    answer = desk.ask("Get", uid, scope, resource=name, **more)
    answer.delivered()
    (record,) = desk.records()
    return answer.data.replace(record["request"].encode(), b"ID").replace(name.encode(), b"NAME")


@pytest.mark.parametrize("more", [{}, {"arguments": {"zz": "1"}}, {"count": 0}, {"count": 9999}])
def test_what_is_not_for_a_peer_is_not_there(desk: Desk, more: dict[str, object]) -> None:
    unknown = refused_as(desk, "nothing", None, **more)
    assert b'"NAME"' in unknown
    for name, scope in [("hidden", None), ("parts", None), ("pty", ()), ("banned", ("pty",)),
                        ("file", ("p*",)), ("nothing", ("pty",))]:  # fmt: skip
        assert refused_as(desk, name, scope, **more) == unknown, name
    assert refused_as(desk, "banned", ("pty",), USER, **more) == unknown, "not even a hint"


def test_a_listener_serves_its_own(desk: Desk) -> None:
    desk.ask("Get", USER, ("p*",), resource="pty").delivered()
    assert desk.records()[0]["outcome"] == "granted"


def test_request_ids_are_all_different(desk: Desk) -> None:
    for _ in range(3):
        desk.told("Get", resource="hidden")
    ids = [record["request"] for record in desk.records()]
    assert len(set(ids)) == 3
    assert json.dumps(ids).isascii()
