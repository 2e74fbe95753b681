# SPDX-License-Identifier: MIT
"""What is held counts as long as the process lives, whatever becomes of its connection."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User, child
from .process import take_byte, wait_until
from .wire import Wire, message

RULES = """
resources:
  held: {kind: pty}
  rated: {kind: pty}
  each: {kind: pty}
  gone: {kind: file, root: $DIR, path: gone, access: read}
rules:
  - {id: held, allow: [held, gone], peer: {uid: "1000-59999"}, limit: {held: 2}}
  - {id: rated, allow: rated, peer: {uid: "1000-59999"}, limit: {rate: 2/h}}
  - {id: each, allow: each, peer: {uid: "1000-59999"}, limit: {held: 1, per: peer}}
"""
PERSON, OTHER = User(1000), User(1001)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    """Run a daemon whose rules have limits."""
    with running(Files(tmp_path_factory.mktemp("leases"), RULES), COMMANDS[loop]) as broker:
        yield broker


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe between the test and a child."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def error_of(broker: RunningBroker, resource: str, user: User) -> str:
    """Ask for something in this process, which gives it back if it gets it."""
    with Wire(broker.address, user) as wire:
        reply = wire.call("Get", resource=resource)
        if not reply.error:
            grant = reply.parameters["grant"]
            assert not grant or wire.call("Release", grant=grant).error == ""
        return reply.error or str(reply.parameters["resource"])


def holding(
    broker: RunningBroker, resource: str, count: int, then: Callable[[], object]
) -> Callable[[], None]:
    """Return what a child does: get so many, close the connection, say so, go on."""

    def act() -> None:
        with Wire(broker.address, User(os.getuid())) as wire:
            for _ in range(count):
                assert wire.call("Get", resource=resource).parameters["grant"]
        then()

    return act


@pytest.mark.parametrize("becomes", ["sleep", None], ids=["exec", "no exec"])
def test_as_long_as_the_process(
    lender: RunningBroker, pipe: tuple[int, int], becomes: str | None
) -> None:
    read_end, write_end = pipe

    def wait() -> None:
        os.write(write_end, b"!")
        if becomes:
            os.execvp(becomes, [becomes, "infinity"])  # noqa: S606 (no shell is the point)
        signal.pause()

    with child(holding(lender, "held", 2, wait), PERSON) as pid:
        take_byte(read_end)
        if becomes:
            comm = Path(f"/proc/{pid}/comm")
            wait_until(lambda: comm.read_text() == f"{becomes}\n", "the child to be another")
        assert lender.status()["leases"] == 2
        assert error_of(lender, "held", PERSON) == "LimitReached"
        assert error_of(lender, "held", OTHER) == "held"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: lender.status()["leases"] == 0, "the leases to end")
        assert error_of(lender, "held", PERSON) == "held"


def test_process_that_ends_at_once(lender: RunningBroker) -> None:
    """Its lease may be made when it is gone already: none may be left."""
    for _ in range(20):
        with child(holding(lender, "held", 2, lambda: None), PERSON) as pid:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        wait_until(lambda: lender.status()["leases"] == 0, "the leases to end")
    assert error_of(lender, "held", PERSON) == "held"


def test_release(lender: RunningBroker) -> None:
    with Wire(lender.address, PERSON) as wire, Wire(lender.address, OTHER) as other:
        grants = [wire.call("Get", resource="held").parameters["grant"] for _ in range(2)]
        reply = wire.call("Get", resource="held")
        assert (reply.error, reply.parameters) == ("LimitReached", {"limit": "held"})
        assert other.call("Release", grant=grants[0]).error == "InvalidParameter"
        assert wire.call("Release", grant=grants[0]).error == ""
        assert wire.call("Release", grant=grants[0]).error == "InvalidParameter"
        items = {one["name"]: one["holders"] for one in wire.call("List").parameters["items"]}
        assert items == {"held": 1, "rated": 0, "each": 0, "gone": 0}
        again = wire.call("Get", resource="held").parameters["grant"]
        for grant in (again, grants[1]):
            assert wire.call("Release", grant=grant).error == ""
        assert len({*grants, again}) == 3
    assert lender.status()["leases"] == 0


def test_what_failed_is_not_held(lender: RunningBroker) -> None:
    with Wire(lender.address, PERSON) as wire:
        for _ in range(5):
            assert wire.call("Get", resource="gone").error == "OpenFailed"
    assert lender.status()["leases"] == 0


def test_rate(lender: RunningBroker) -> None:
    user = User(2000)
    answers = [error_of(lender, "rated", user) for _ in range(4)]
    assert answers == ["rated", "rated", "LimitReached", "LimitReached"]
    assert error_of(lender, "rated", User(user.uid + 1000)) == "rated"


def test_per_peer(lender: RunningBroker, pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe

    def wait() -> None:
        os.write(write_end, b"!")
        signal.pause()

    with Wire(lender.address, PERSON) as wire, Wire(lender.address, PERSON) as second:
        grant = wire.call("Get", resource="each").parameters["grant"]
        assert second.call("Get", resource="each").error == "LimitReached"
        with child(holding(lender, "each", 1, wait), PERSON):
            take_byte(read_end)
            assert lender.status()["leases"] == 2
        assert wire.call("Release", grant=grant).error == ""
    wait_until(lambda: lender.status()["leases"] == 0, "the leases to end")


def test_a_call_that_wants_no_answer_holds_nothing(lender: RunningBroker) -> None:
    get = message(method="io.fdbroker.Broker.Get", parameters={"resource": "held"}, oneway=True)
    with Wire(lender.address, PERSON) as wire:
        wire.send(get * 3)
        assert wire.is_served()
        assert error_of(lender, "held", PERSON) == "held"
