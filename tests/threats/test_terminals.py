# SPDX-License-Identifier: MIT
"""Terminals: all of them taken, hung up, typed into, and names that act on one."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.core.processes import in_child
from tests.daemon.broker import COMMANDS, Files, RunningBroker, environment, running
from tests.daemon.identity import User
from tests.daemon.wire import Wire
from tests.identity import broker as identity
from tests.identity.peers import Role, connected

PERSON, OTHER = User(1000), User(1001)
ALL = 8
HELD = 5
HUNG_UP = 200

TIOCSTI = 0x5412

RULES = f"""
resources:
  pty: {{kind: pty}}
  some: {{kind: pty}}
rules:
  - {{id: all, allow: pty, peer: {{uid: "1000-1001"}}}}
  - {{id: some, allow: some, peer: {{uid: "1000-1001"}}, limit: {{held: {HELD}, per: uid}}}}
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """Run a daemon with a few terminals, that leads a session as under systemd."""
    command = (sys.executable, "-m", "tests.threats.few_terminals", str(ALL))
    with running(Files(tmp_path, RULES), (*command, *COMMANDS["asyncio"])) as broker:
        yield broker


def controlling_terminal(pid: int) -> int:
    """Return its device number, 0 for none (proc(5), tty_nr)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4])


def test_all_are_taken(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as greedy, Wire(broker.address, OTHER) as other:
        for _ in range(ALL):
            assert greedy.call("Get", resource="pty").error == ""
        for wire in (greedy, other):
            refused = wire.call("Get", resource="pty")
            assert (refused.error, refused.parameters["errnoName"]) == ("OpenFailed", "ENOSPC")
        greedy.close_descriptors()
        assert other.call("Get", resource="pty", count=ALL).error == "", "and all are back"
        other.close_descriptors()
        few = greedy.call("Get", resource="pty", count=ALL + 1)
        assert few.parameters["errnoName"] == "ENOSPC"
        assert other.call("Get", resource="pty", count=ALL).error == "", "all of them or none"


def test_a_limit_of_each_user(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as greedy, Wire(broker.address, OTHER) as other:
        for _ in range(HELD):
            assert greedy.call("Get", resource="some").error == ""
        with Wire(broker.address, PERSON) as again:
            assert again.call("Get", resource="some").error == "LimitReached"
        for _ in range(ALL - HELD):
            assert other.call("Get", resource="some").error == "", "there are some for others"


def test_hanging_up_hits_nobody(broker: RunningBroker) -> None:
    """The leader of a session gets SIGHUP when its controlling terminal's master is closed."""
    assert os.getsid(broker.pid) == broker.pid
    assert controlling_terminal(broker.pid) == 0
    with Wire(broker.address, PERSON) as wire:
        for _ in range(HUNG_UP):
            assert wire.call("Get", resource="pty").error == ""
            assert controlling_terminal(broker.pid) == 0
            wire.close_descriptors()
        assert wire.is_served()
    assert broker.status()["ruleset"]["generation"] == 1, "it would take SIGHUP for a reload"
    assert not [name for name in broker.descriptors() if name.startswith("/dev/pt")]


def test_whoever_has_a_slave_types_only_into_a_terminal_of_its_own(broker: RunningBroker) -> None:
    """TIOCSTI is for one's controlling terminal. A slave that was given is nobody's."""
    with Wire(broker.address, PERSON) as wire:
        slave = wire.call("Get", resource="pty").descriptor("slave")

        def type_into() -> None:
            os.setsid()
            with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
                fcntl.ioctl(slave, TIOCSTI, b"x")
            assert refused.value.errno in {errno.EPERM, errno.EIO}, "EIO: legacy_tiocsti is 0"

        in_child(type_into, uid=OTHER.uid)
        in_child(type_into, uid=PERSON.uid)


def explained(address: str, *arguments: str) -> str:
    """Return all that `fdbrokerctl explain` says."""
    program = (sys.executable, "-m", "fdbrokerd.cli.ctl", "explain", "--socket", address)
    done = subprocess.run(
        [*program, *arguments], env=environment(), capture_output=True, check=False, timeout=20
    )
    return (done.stdout + done.stderr).decode()


def test_a_programs_name_acts_on_no_terminal(tmp_path: Path, place: Path) -> None:
    """A path may hold anything but NUL. Records and fdbrokerctl show it escaped."""
    evil = place / 'a\n{"id":1}\x1b[2J\x9b'
    evil.mkdir()
    program = evil / "sleep"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    text = identity.rules("id: one, allow: note, peer: {uid: 1000, exe: /usr/bin/true}")
    with identity.running(tmp_path, text) as broker, ExitStack() as stack:
        with broker.stopped():
            peer = stack.enter_context(connected(broker.address, Role(1000)))
            peer.become(str(program))
        assert peer.wire.who()["exe"].endswith("\\x9b/sleep"), "escaped even to itself"
        reply = peer.wire.call("Get", resource="note")
        assert reply.error == "Denied"
        assert broker.records()[-1]["outcome"] == "denied"
        lines = (tmp_path / "audit").read_bytes().splitlines()
        assert all(line.isascii() and line.decode().isprintable() for line in lines)
        about = (["note", "--pid", str(peer.pid)], ["--request", reply.parameters["request"]])
        for arguments in about:
            shown = explained(broker.address, *arguments)
            assert "sleep" in shown, shown
            assert all(one.isprintable() for one in shown.split("\n")), shown
            assert not any(line.startswith('{"id"') for line in shown.split("\n"))
