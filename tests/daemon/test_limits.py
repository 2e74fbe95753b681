# SPDX-License-Identifier: MIT
"""How much peers can take of the daemon: connections, descriptors, turns."""

import resource
import select
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from .activation import activated
from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User
from .process import cpu_ticks, descriptors, wait_until
from .wire import MANAGER, Wire, call

FIRST, SECOND, THIRD = User(1000), User(1001), User(1002)
CALL = call("WhoAmI")


def test_connections(files: Files, loop: str) -> None:
    files.write_settings(limits="{connections: 6, connections-per-uid: 4}")
    with running(files, COMMANDS[loop]) as broker, ExitStack() as stack:

        def comes_in(user: User) -> bool:
            wire = stack.enter_context(Wire(broker.address, user))
            try:
                return wire.is_served()
            except (BrokenPipeError, ConnectionError, EOFError):
                return False

        def is_kept_out(user: User) -> bool:
            return stack.enter_context(Wire(broker.address, user)).is_hung_up()

        mine = [stack.enter_context(Wire(broker.address, FIRST)) for _ in range(4)]
        assert all(wire.is_served() for wire in mine)
        assert is_kept_out(FIRST)
        assert comes_in(SECOND)
        assert comes_in(SECOND)
        assert is_kept_out(SECOND)
        assert is_kept_out(THIRD)
        for _ in range(3):
            assert comes_in(User(0)), "nobody may lock root out"
        records = [one for one in broker.records() if one["outcome"] == "hung-up"]
        assert [(one["peer"]["uid"], one["detail"]) for one in records] == [
            (FIRST.uid, "uid 1000 has 4 connections"),
            (SECOND.uid, "there are 6 connections"),
            (THIRD.uid, "there are 6 connections"),
        ]
        assert all(wire.is_served() for wire in mine)
        for wire in mine:
            wire.close()
        wait_until(lambda: broker.status()["connections"] == 6, "the first user to leave")
        assert comes_in(FIRST)


def kept_for_this(broker: RunningBroker) -> int:
    """Return the highest number of what a listener keeps to turn a client away with."""
    directory = Path(f"/proc/{broker.pid}/fd")
    return max(int(one.name) for one in directory.iterdir() if str(one.readlink()) == "/dev/null")


def test_no_descriptors_left(files: Files, loop: str) -> None:
    with running(files, COMMANDS[loop]) as broker, ExitStack() as stack:
        served = stack.enter_context(Wire(broker.address, FIRST))
        assert served.is_served()
        limit = descriptors(broker.pid).total() + 4
        _, hard = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (limit, hard))
        crowd = [stack.enter_context(Wire(broker.address, SECOND)) for _ in range(40)]
        assert served.is_served()
        before = cpu_ticks(broker.pid)
        turned_away = select.select([wire.socket for wire in crowd], [], [], 0.5)[0]
        assert not select.select([served.socket], [], [], 0.5)[0]
        assert turned_away, "the end of the stream, at once, is better than silence"
        assert cpu_ticks(broker.pid) - before < 25, "the loop spins"
        assert served.is_served()
        full = served.call("Get", resource="pty", count=20)
        assert (full.error, full.parameters["errnoName"]) == ("OpenFailed", "EMFILE")
        assert served.is_served()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (kept_for_this(broker) + 1, hard))
        with Wire(broker.address, THIRD) as none_left:
            assert none_left.is_hung_up(), "the one that is kept for this"
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (hard, hard))
        (told,) = (one for one in broker.records() if "no descriptors" in one["detail"])
        assert (told["outcome"], told["peer"]["uid"]) == ("hung-up", THIRD.uid)
        assert told["detail"] == "no descriptors are left (EMFILE)"
        with Wire(broker.address, THIRD) as late:
            assert len(late.call("Get", resource="pty", count=20).descriptors) == 40
        for wire in crowd:
            wire.close()
        wait_until(lambda: broker.status()["connections"] == 2, "the crowd to leave")


def test_no_files_left_in_the_system(files: Files) -> None:
    """ENFILE of one listener holds up neither the other nor who is there already."""
    files.write_rules("resources:\n  memory: {kind: memfd}\nrules:\n"
                      "  - {id: all, allow: memory, peer: {uid: 0-65533}}\n")  # fmt: skip
    with socket.socket(socket.AF_UNIX) as served, socket.socket(socket.AF_UNIX) as starved:
        for listener, name in ((served, files.address), (starved, f"{files.address}-2")):
            listener.bind(f"\0{name[1:]}")
            listener.listen()
        faults = ("accept4:4=ENFILE", "memfd_create=ENFILE")
        program = [sys.executable, "-m", "tests.daemon.filtered", *faults]
        with (
            activated(files, "uvloop", {"a": served, "b": starved}, program) as broker,
            Wire(f"{files.address}-2", FIRST) as waits,
            Wire(files.address, SECOND) as wire,
        ):
            assert wire.is_served()
            before = cpu_ticks(broker.pid)
            assert not select.select([waits.socket], [], [], 0.5)[0]
            assert cpu_ticks(broker.pid) - before < 25, "the loop spins"
            failed = wire.call("Get", resource="memory")
            assert (failed.error, failed.parameters["errnoName"]) == ("OpenFailed", "ENFILE")
            assert wire.is_served()
            outcomes = [one["outcome"] for one in broker.records()]
            assert outcomes == ["answered", "failed", "answered"]


def test_a_flood_takes_no_turns_of_others(broker: RunningBroker) -> None:
    """What waits in sixteen connections of one user is one queue; the others have theirs."""
    with ExitStack() as stack:
        flood = [stack.enter_context(Wire(broker.address, FIRST)) for _ in range(16)]
        honest = [stack.enter_context(Wire(broker.address, user)) for user in (SECOND, THIRD)]
        assert all(wire.is_served() for wire in flood + honest)
        broker.status()
        broker.forget()
        broker.signal(signal.SIGSTOP)
        for wire in flood:
            wire.send(CALL * 60)
        for wire in honest:
            wire.send(CALL * 5)
        broker.signal(signal.SIGCONT)
        for wire, count in [(wire, 5) for wire in honest] + [(wire, 60) for wire in flood]:
            assert [wire.receive().error for _ in range(count)] == [""] * count
    uids = [record["peer"]["uid"] for record in broker.records()]
    last = max(index for index, uid in enumerate(uids) if uid != FIRST.uid)
    assert len(uids) == 16 * 60 + 2 * 5
    assert uids[: last + 1].count(FIRST.uid) <= 60, "the others waited for the flood"


def test_the_flood_is_still_going_on_when_others_have_their_answers(broker: RunningBroker) -> None:
    with ExitStack() as stack:
        flood = [stack.enter_context(Wire(broker.address, FIRST)) for _ in range(16)]
        honest = stack.enter_context(Wire(broker.address, SECOND))
        for wire in flood:
            wire.send(CALL * 500)
        for _ in range(5):
            assert honest.is_served()
        asked = honest.call("Explain", resource="pty")
        assert asked.parameters["allowed"]
        for wire in flood:
            assert [wire.receive().error for _ in range(500)] == [""] * 500
    uids = [record["peer"]["uid"] for record in broker.records()]
    assert uids.count(FIRST.uid) == 16 * 500
    assert max(index for index, uid in enumerate(uids) if uid == SECOND.uid) < len(uids) - 1


def test_administrators(files: Files) -> None:
    files.write_settings(admins="{uid: 1000}")
    with running(files) as broker:
        for user, error in ((FIRST, ""), (User(0), ""), (SECOND, "PermissionDenied")):
            with Wire(broker.address, user) as wire:
                assert wire.call(f"{MANAGER}Status").error == error
