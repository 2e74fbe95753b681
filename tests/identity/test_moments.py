# SPDX-License-Identifier: MIT
"""A peer is who it was when it was accepted; who has gone by then is nobody."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fdbrokerd.peer import MAX_GROUPS

from . import kernel
from .broker import Broker, rules, running
from .daemons import command
from .peers import Role, connected, newcomer
from .wire import HungUp

PERSON = Role(1000)
PYTHON = os.readlink("/proc/self/exe")
SLEEP = shutil.which("sleep") or "/bin/sleep"

RESOURCES = [
    f"{name}: {{kind: file, path: /etc/passwd, access: read}}"
    for name in ("note", "python", "sleep", "kept")
]
UIDS = rules(
    "id: person, allow: [note, kept], peer: {uid: 1000}",
    "id: never, deny: kept, peer: {uid: 1000}",
    resources=RESOURCES,
)
PROGRAMS = UIDS + "".join(
    f"  - {{id: {name}, allow: {name}, peer: {{uid: 1000, exe: {os.path.realpath(path)}}}}}\n"
    for name, path in (("python", PYTHON), ("sleep", SLEEP))
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run one daemon that asks for the programs of its peers."""
    with running(tmp_path_factory.mktemp("broker"), PROGRAMS) as broker:
        yield broker


@pytest.mark.parametrize("text", [UIDS, PROGRAMS], ids=["uid", "exe"])
def test_ended_before_it_is_accepted(tmp_path: Path, text: str) -> None:
    """Its uid is known, its namespace is not: no allow holds and every deny does."""
    with running(tmp_path, text) as broker, ExitStack() as stack:
        with broker.stopped():
            peers = [stack.enter_context(connected(broker.address, PERSON)) for _ in range(4)]
            for peer in peers:
                peer.wire.send("WhoAmI")
                peer.end()
            peers.pop().wire.close()
        for resource, peer in zip(("note", "kept", "python"), peers, strict=True):
            who = peer.wire.receive().parameters["peer"]
            assert (who["uid"], who.get("exe")) == (PERSON.uid, None)
            assert not peer.wire.gets(resource)
        gets = [one for one in broker.records() if one["method"].endswith(".Get")]
    assert [one["rules"] for one in gets] == [[], ["never"], []]


def test_ended_and_not_yet_waited_for(broker: Broker) -> None:
    with ExitStack() as stack:
        with broker.stopped():
            peer = stack.enter_context(connected(broker.address, PERSON))
            peer.die()
        assert "exe" not in peer.wire.who()
        assert not peer.wire.gets("note")
        assert not peer.wire.gets("python")


@pytest.mark.parametrize("circumstances", [(), ("old-kernel", "certain")])
def test_its_number_is_used_again(tmp_path: Path, circumstances: tuple[str, ...]) -> None:
    """The process that has it by the time it is read is not the peer."""
    with running(tmp_path, PROGRAMS, command(*circumstances)) as broker, ExitStack() as stack:
        with broker.stopped():
            peer = stack.enter_context(connected(broker.address, PERSON))
            number = peer.pid
            peer.end()
            stack.enter_context(newcomer(number, SLEEP, PERSON.uid))
        who = peer.wire.who()
        assert (who["pid"], who["uid"], who.get("exe")) == (number, PERSON.uid, None)
        assert not peer.wire.gets("sleep"), "that is the other's program"
        assert not peer.wire.gets("python"), "nor is it known whose it was"
        assert not peer.wire.gets("kept")


def test_another_program_after_it_was_accepted(broker: Broker) -> None:
    with connected(broker.address, PERSON) as peer:
        assert peer.wire.who()["exe"] == PYTHON
        peer.become(SLEEP)
        kernel.await_program(peer.pid, SLEEP)
        assert peer.wire.who()["exe"] == PYTHON
        assert peer.wire.gets("python")
        assert not peer.wire.gets("sleep")


def test_another_program_before_it_was_accepted(broker: Broker) -> None:
    with ExitStack() as stack:
        with broker.stopped():
            peer = stack.enter_context(connected(broker.address, PERSON))
            peer.become(SLEEP)
            kernel.await_program(peer.pid, SLEEP)
        assert peer.wire.gets("sleep")
        assert not peer.wire.gets("python")


@pytest.mark.parametrize("count", [MAX_GROUPS, MAX_GROUPS + 1])
def test_groups(broker: Broker, count: int) -> None:
    """One could be denied and hidden among more than can be read: that is no connection."""
    groups = range(3000, 3000 + count)
    with connected(broker.address, Role(PERSON.uid, groups)) as peer:
        if count == MAX_GROUPS:
            assert peer.wire.who()["groups"] == [PERSON.uid, *groups]
            return
        with pytest.raises((HungUp, BrokenPipeError)):
            peer.wire.gets("note")
    record = broker.records()[-1]
    assert (record["outcome"], record["peer"]) == ("hung-up", None)
    assert record["detail"].startswith("the kernel does not say who the peer is")
