# SPDX-License-Identifier: MIT
"""Descriptors where none belong, on either side."""

import json
import os
import resource
import socket
import sys
from contextlib import ExitStack
from errno import EPERM
from pathlib import Path

import pytest

from .activation import activated
from .broker import Files, RunningBroker
from .identity import User, acting_as
from .process import PATIENCE
from .wire import MAX_DESCRIPTORS, SO_PASSRIGHTS, Wire, call

PERSON = User(1000)
CALL = call("WhoAmI")
LITTLE_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))
from fdbrokerd.cli.daemon import main
sys.exit(main())
"""


def refuse(connection: socket.socket) -> None:
    """Have a socket of our own take no descriptors."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
    except OSError:
        pytest.skip("this kernel has no SO_PASSRIGHTS (Linux 6.16)")


def test_a_peer_cannot_send_any(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        try:
            wire.send(CALL, [0, 1, 2])
        except PermissionError:
            assert wire.is_served()
        else:  # before Linux 6.16
            assert wire.is_hung_up()
            assert broker.records()[0]["detail"] == "descriptors where none belong"
    assert len(broker.records()) == 1


def test_queued_before_the_daemon_began(files: Files, loop: str, tmp_path: Path) -> None:
    with (
        ExitStack() as stack,
        socket.socket(socket.AF_UNIX) as listener,
        (tmp_path / "marked").open("wb") as marked,
    ):
        listener.bind(f"\0{files.address[1:]}")
        listener.listen()
        wires = [stack.enter_context(Wire(files.address, PERSON)) for _ in range(4)]
        for wire, count in zip(wires, (0, 1, 3, 253), strict=True):
            wire.send(CALL, [marked.fileno()] * count)
        with activated(files, loop, {"a": listener}) as broker:
            good, *bad = wires
            assert good.receive().error == ""
            assert [wire.is_hung_up() for wire in bad] == [True] * 3
            outcomes = sorted(one["outcome"] for one in broker.records())
            assert outcomes == ["answered", "hung-up", "hung-up", "hung-up"]
            assert not broker.descriptors_named(str(tmp_path / "marked"))


def test_thousands_queued_before_the_daemon_began(files: Files, tmp_path: Path) -> None:
    """None is installed, not for a moment: it has room for a tenth of them."""
    crowd, each = 20, MAX_DESCRIPTORS
    with (
        ExitStack() as stack,
        socket.socket(socket.AF_UNIX) as listener,
        (tmp_path / "marked").open("wb") as marked,
    ):
        listener.bind(f"\0{files.address[1:]}")
        listener.listen(crowd)
        wires = [stack.enter_context(Wire(files.address, PERSON)) for _ in range(crowd)]
        for wire in wires:
            with acting_as(User()):  # whose limit on what is in flight is none
                wire.user = User()
                wire.send(CALL, [marked.fileno()] * each)
        program = [sys.executable, "-c", LITTLE_ROOM]
        with activated(files, "asyncio", {"a": listener}, program) as broker:
            assert all(wire.is_hung_up() for wire in wires)
            records = broker.records()
            assert [one["outcome"] for one in records] == ["hung-up"] * crowd
            assert not broker.descriptors_named(str(tmp_path / "marked"))
            with Wire(files.address, PERSON) as wire:
                assert wire.is_served()


def test_thousands_sent(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire, open("/dev/null") as null:
        for _ in range(100):
            try:
                wire.send(b" ", [null.fileno()] * MAX_DESCRIPTORS)
            except PermissionError:
                continue
            assert wire.is_hung_up(), "before Linux 6.16"
            return
        assert wire.is_served()
        assert not broker.descriptors_named("/dev/null") > 3


@pytest.mark.parametrize("count", [1, 3, 253])
def test_queued_on_an_inherited_connection(files: Files, tmp_path: Path, count: int) -> None:
    ours, theirs = Wire.pair()
    with ours, theirs, (tmp_path / "marked").open("wb") as marked:
        ours.send(CALL, [marked.fileno()] * count)
        with activated(files, "asyncio", {"varlink": theirs}) as broker:
            theirs.close()
            assert ours.is_hung_up()
            assert not broker.process.wait(PATIENCE)
    (record,) = [json.loads(line) for line in files.audit.read_text().splitlines()]
    assert (record["outcome"], record["detail"]) == ("hung-up", "descriptors where none belong")


def test_sent_on_an_inherited_connection(files: Files, tmp_path: Path) -> None:
    ours, theirs = Wire.pair()
    with (
        ours,
        theirs,
        (tmp_path / "marked").open("wb") as marked,
        activated(files, "uvloop", {"varlink": theirs}) as broker,
    ):
        theirs.close()
        assert ours.is_served()
        try:
            ours.send(CALL, [marked.fileno()])
        except PermissionError:
            assert ours.is_served()
            assert not broker.descriptors_named(str(tmp_path / "marked"))
        else:  # before Linux 6.16
            assert ours.is_hung_up()


def test_a_peer_that_takes_none(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON, prepare=refuse) as wire:
        wire.send(call("Get", resource="pty") + CALL)
        reply = wire.receive()
        assert (reply.error, reply.descriptors) == ("OpenFailed", [])
        assert reply.parameters == {"resource": "pty", "errno": EPERM, "errnoName": "EPERM"}
        assert "peer" in wire.receive().parameters
        assert wire.is_served()
    failed, *others = broker.records()
    assert (failed["outcome"], len(others)) == ("failed", 2)
    assert failed["detail"].startswith("the descriptors could not be sent")


def test_a_peer_without_room_for_them(broker: RunningBroker) -> None:
    """The kernel does not tell the broker: it is the client who must see it."""
    with Wire(broker.address, PERSON) as wire:
        wire.send(call("Get", resource="pty", count=10) + CALL)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        os.close(room)
        resource.setrlimit(resource.RLIMIT_NOFILE, (room + 3, hard))
        try:
            reply = wire.receive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert reply.truncated
        assert len(reply.descriptors) < len(reply.parameters["descriptors"]) == 20
        assert "peer" in wire.receive().parameters
        assert wire.is_served()
