# SPDX-License-Identifier: MIT
"""A number in another namespace is not the number here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .broker import DAEMON, MANAGER, Broker, rules, running
from .peers import Role, connected

PERSON, INNER = 1000, 4242

RULES = rules(
    "id: root-reads, allow: roots, peer: {uid: 0}",
    f"id: person-reads, allow: [note, kept], peer: {{uid: {PERSON}}}",
    f"id: inner-reads, allow: inners, peer: {{uid: {INNER}, gid: {INNER}}}",
    f"id: person-never, deny: kept, peer: {{uid: {PERSON}}}",
    "id: root-never, deny: closed, peer: {user: root}, hint: Not for root.",
    resources=[
        f"{name}: {{kind: file, path: /etc/passwd, access: read}}"
        for name in ("note", "roots", "inners", "kept", "closed")
    ],
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run one daemon for all tests here."""
    with running(tmp_path_factory.mktemp("broker"), RULES) as broker:
        yield broker


@pytest.mark.parametrize("inner", [0, INNER])
def test_uid_of_another_user_namespace(broker: Broker, inner: int) -> None:
    with connected(broker.address, Role(PERSON, inner=inner)) as peer:
        who = peer.wire.who()
        assert (who["uid"], who["gid"], who["groups"]) == (PERSON, PERSON, [PERSON])
        assert not peer.wire.gets("roots")
        assert not peer.wire.gets("inners")
        assert not peer.wire.gets("kept")
        assert peer.wire.call(f"{MANAGER}Status").error == "PermissionDenied"


@pytest.mark.parametrize(("uid", "resource"), [(0, "roots"), (PERSON, "note")])
def test_another_pid_namespace(broker: Broker, uid: int, resource: str) -> None:
    with connected(broker.address, Role(uid)) as peer:
        assert peer.wire.gets(resource), "at home"
    with connected(broker.address, Role(uid, own_pids=True)) as peer:
        assert not peer.wire.gets(resource)
        assert peer.wire.call("List").parameters == {"items": []}
        assert peer.wire.call(f"{MANAGER}Status").error == "PermissionDenied"


@pytest.mark.parametrize("own_pids", [False, True])
def test_a_deny_reaches_everywhere_by_uid(broker: Broker, *, own_pids: bool) -> None:
    with connected(broker.address, Role(own_pids=own_pids)) as peer:
        reply = peer.wire.call("Get", resource="closed")
    assert (reply.error, reply.parameters["hint"]) == ("Denied", "Not for root.")
    assert broker.records()[-1]["rules"] == ["root-never"]


def test_ids_that_have_no_number_here(tmp_path: Path) -> None:
    """A daemon in a user namespace sees all uids but its own as the same one, 65534."""
    text = rules(
        'id: everybody, allow: [note, kept], peer: {uid: "0-65535"}',
        "id: by-name, allow: names, peer: {user: root}",
        "id: not-root, allow: others, peer: {not: {uid: 0}}",
        "id: never-daemon, deny: kept, peer: {uid: 1}",
        "id: never-group, deny: note, peer: {gid: 1}",
        resources=[
            f"{name}: {{kind: file, path: /etc/passwd, access: read}}"
            for name in ("note", "kept", "names", "others")
        ],
    )
    command = ("unshare", "--user", "--map-root-user", "--", *DAEMON)
    with running(tmp_path, text, command) as broker:
        with connected(broker.address, Role()) as peer:
            assert peer.wire.gets("note"), "root is root there, too"
            assert peer.wire.gets("names")
        with connected(broker.address, Role(PERSON)) as peer:
            peer.wire.send("WhoAmI")
            assert peer.wire.receive().parameters["peer"]["uid"] == 65534
            for resource in ("note", "kept", "names", "others"):
                assert not peer.wire.gets(resource), resource
        denied = [one["rules"] for one in broker.records() if one["outcome"] == "denied"]
    assert denied == [["never-group"], ["never-daemon"], [], []]
