# SPDX-License-Identifier: MIT
"""The calls that open nothing: who may ask them, and that a peer is told only of itself."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdbrokerd.errors import ReloadFailed
from fdbrokerd.interfaces import NAMES, descriptions
from fdbrokerd.kinds.pty import PtySpec
from fdbrokerd.model.argument import Argument, ArgumentLimit, Choice
from fdbrokerd.model.rule import Limit

from .desk import STATUS, Desk, told
from .made import OTHER, USER, a_resource, a_rule, uids

ADMIN = 61300
PARTS = {"part": Argument(Choice(("key", "chain")), "chain")}
KEY = {"part": ArgumentLimit(frozenset({"key"}))}


@pytest.fixture
def desk(place: Path) -> Iterator[Desk]:
    names = ("pty", "tls", "none", "banned", "keys-only")
    resources = [a_resource(name, "pty", PtySpec(owner=os.geteuid()), PARTS) for name in names]
    rules = [
        a_rule("users", "pty", "tls", "banned", peer=uids(USER), limit=Limit(held=9)),
        a_rule("never", "banned", deny=True, peer=uids(USER), hint="Not you."),
        a_rule("no-key", "tls", deny=True, arguments=KEY, hint="No keys."),
        a_rule("key", "keys-only", arguments=KEY, peer=uids(USER)),
        a_rule("of-others", "none", peer=uids(OTHER), hint="secret"),
        a_rule("never-you", "none", deny=True, peer=uids(0), hint="secret"),
    ]
    made = Desk(place, resources, rules, admins=uids(ADMIN))
    yield made
    made.close()


def test_a_peer_is_told_who_it_is(desk: Desk) -> None:
    peer = desk.told("WhoAmI")["peer"]
    assert (peer["uid"], peer["gid"], peer["groups"]) == (USER, USER, [USER])


@pytest.mark.parametrize(
    ("uid", "scope", "names"),
    [
        (USER, None, ["keys-only", "pty", "tls"]),
        (USER, ("p*",), ["pty"]),
        (USER, (), []),
        (OTHER, None, ["none"]),
        (0, None, []),
    ],
)
def test_a_peer_is_told_what_it_may_get(
    desk: Desk, uid: int, scope: tuple[str, ...] | None, names: list[str]
) -> None:
    answer = desk.ask("List", uid, scope)
    answer.delivered()
    items = told(answer)["parameters"]["items"]
    assert [item["name"] for item in items] == names
    (record,) = desk.records()
    assert (record["outcome"], record["resource"]) == ("answered", "")


def test_the_holders_are_counted(desk: Desk) -> None:
    for _ in range(2):
        desk.told("Get", resource="pty")
    holders = {item["name"]: item["holders"] for item in desk.told("List")["items"]}
    assert holders == {"keys-only": 0, "pty": 2, "tls": 0}


NO = "no rule allows this"


@pytest.mark.parametrize(
    ("asked", "uid", "allowed", "text"),
    [
        ({"resource": "pty"}, USER, True, "allowed by rule users"),
        ({"resource": "pty", "do": "get"}, USER, True, "allowed by rule users"),
        ({"resource": "pty", "do": "put"}, USER, False, NO),
        ({"resource": "pty", "do": "zz"}, USER, False, NO),
        ({"resource": "tls", "arguments": {"part": "chain"}}, USER, True, "allowed by rule users"),
        ({"resource": "tls", "arguments": {"part": "key"}}, USER, False, f"{NO} (No keys.)"),
        ({"resource": "keys-only"}, USER, False, NO),
        ({"resource": "keys-only", "arguments": {"part": "key"}}, USER, True,
         "allowed by rule key"),
        ({"resource": "banned"}, USER, False, f"{NO} (Not you.)"),
        ({"resource": "none"}, USER, False, NO),
        ({"resource": "nothing"}, USER, False, NO),
        ({"resource": "pty"}, OTHER, False, NO),
    ],
)  # fmt: skip
def test_a_verdict_is_explained(
    desk: Desk,
    asked: dict[str, Any],
    uid: int,
    allowed: bool,  # noqa: FBT001 (a column of the table)
    text: str,
) -> None:
    assert desk.told("Explain", uid, **asked) == {"allowed": allowed, "text": text}
    (record,) = desk.records()
    assert record["outcome"] == "answered"
    assert record["resource"] == asked["resource"]
    assert len(desk.leases) == 0


def test_explaining_tells_of_arguments_only_to_who_may_have_it(desk: Desk) -> None:
    wrong = {"resource": "tls", "arguments": {"part": "zz"}}
    assert desk.told("Explain", USER, **wrong)["error"] == "InvalidArgument"
    assert desk.told("Explain", OTHER, **wrong) == {"allowed": False, "text": NO}


@pytest.mark.parametrize("method", ["Status", "Reload"])
@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (ADMIN, True), (USER, False)])
def test_the_manager_is_for_administrators(
    desk: Desk,
    method: str,
    uid: int,
    allowed: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    got = desk.told(f"io.fdbroker.Manager.{method}", uid)
    (record,) = desk.records()
    if allowed:
        assert got == (STATUS if method == "Status" else {})
        assert record["outcome"] == "answered"
    else:
        assert got == {"error": "PermissionDenied"}
        assert record["outcome"] == "denied"
    assert desk.host.reloads == (allowed and method == "Reload")


def test_without_admins_it_is_for_root(place: Path) -> None:
    desk = Desk(place, (), ())
    assert "error" in desk.told("io.fdbroker.Manager.Status", USER)
    assert "error" not in desk.told("io.fdbroker.Manager.Status", 0)
    desk.close()


def test_a_reload_that_fails_says_where(desk: Desk) -> None:
    where = {"file": "a.yaml", "line": 3, "column": 4, "message": "no"}
    desk.host.problem = ReloadFailed(**where)
    assert desk.told("io.fdbroker.Manager.Reload", 0) == {"error": "ReloadFailed", **where}
    (record,) = desk.records()
    assert (record["outcome"], record["detail"]) == ("failed", "a.yaml:3:4: no")


def test_the_service_describes_itself(desk: Desk) -> None:
    service = "org.varlink.service"
    assert desk.told(f"{service}.GetInfo")["interfaces"] == list(NAMES)
    for name in NAMES:
        got = desk.told(f"{service}.GetInterfaceDescription", interface=name)
        assert got == {"description": descriptions()[name]}
    got = desk.told(f"{service}.GetInterfaceDescription", interface="x.y")
    assert got == {"error": "InvalidParameter", "parameter": "interface"}


@pytest.mark.parametrize(
    ("data", "error", "method"),
    [
        (b'{"method":"io.fdbroker.Broker.No"}', "MethodNotFound", "io.fdbroker.Broker.No"),
        (b'{"method":"a.b.C"}', "InterfaceNotFound", "a.b.C"),
        (b'{"method":5}', "InvalidParameter", ""),
        (b"{}", "InvalidParameter", ""),
    ],
)
def test_what_is_no_question_is_answered_and_recorded(
    desk: Desk, data: bytes, error: str, method: str
) -> None:
    (answer,) = desk.start(data)
    answer.delivered()
    assert told(answer)["error"] == f"org.varlink.service.{error}"
    (record,) = desk.records()
    assert (record["outcome"], record["method"]) == ("failed", method)
