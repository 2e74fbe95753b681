# SPDX-License-Identifier: MIT
"""Peers that pretend to be others, and crowds of them that have gone again."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.processes import in_child
from tests.daemon.broker import Files, RunningBroker, running
from tests.daemon.identity import User
from tests.daemon.process import PATIENCE, cpu_ticks
from tests.daemon.wire import Wire
from tests.needs import need_tool

PERSON, OTHER = 1000, 1001
GONE = 3000
"""Connections that are closed at once: more than may be open."""
TICKS = 100
"""Hundredths of a second of the daemon's time for them: 0.33 ms each. Who comes next has to wait
for all, since the queue has an order."""

ASK = """
import json, os, socket, sys
wire = socket.socket(socket.AF_UNIX)
wire.connect("\\0" + sys.argv[1])
wire.sendall(b'{"method":"io.fdbroker.Broker.Get","parameters":{"resource":"note"}}\\0')
print(os.readlink("/proc/self/exe"), json.loads(wire.recv(65536)[:-1]).get("error", "given"))
"""


@pytest.fixture
def broker(place: Path) -> Iterator[RunningBroker]:
    """Run a daemon that gives a note to a program of PERSON's, and anything to others."""
    for name in ("trusted", "evil"):
        shutil.copy(os.path.realpath(sys.executable), place / name)
    (place / "note").write_text("a note\n")
    rules = f"""
resources:
  note: {{kind: file, root: $DIR, path: note, access: read}}
rules:
  - {{id: one, allow: note, peer: {{uid: {PERSON}, exe: {place}/trusted}}}}
"""
    with running(Files(place, rules)) as broker:
        yield broker


def asked(broker: RunningBroker, uid: int, *command: str) -> list[str]:
    """Return the program that a process believes to be, and what it was answered."""
    be = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    done = subprocess.run(
        [*be, *command, "-S", "-E", "-c", ASK, broker.address[1:]],
        env={"PYTHONHOME": sys.base_prefix, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout.split()


def test_a_program_mounted_over_the_trusted_one(broker: RunningBroker) -> None:
    """In a mount namespace of its own anybody may do that, and its path is the trusted one's."""
    need_tool("unshare")
    place = broker.files.directory
    trusted = str(place / "trusted")
    assert asked(broker, PERSON, trusted) == [trusted, "given"]
    assert asked(broker, OTHER, trusted)[1].endswith(".Denied"), "a program alone is nobody"
    assert asked(broker, PERSON, str(place / "evil"))[1].endswith(".Denied")
    mounted = f'mount --bind {place}/evil {trusted} && exec {trusted} "$@"'
    spoof = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh"]
    path, answer = asked(broker, PERSON, *spoof)
    assert (path, answer.rpartition(".")[2]) == (trusted, "Denied")


def test_who_has_gone_leaves_no_queue(broker: RunningBroker) -> None:
    """A connection that was closed keeps its place in the backlog until it is accepted."""
    name = f"\0{broker.address[1:]}"
    before = broker.descriptors()

    def come_and_go() -> None:
        for _ in range(GONE):
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(name)

    computed = cpu_ticks(broker.pid)
    in_child(come_and_go, uid=PERSON)
    with Wire(broker.address, User(OTHER)) as wire:
        assert wire.is_served()
    assert cpu_ticks(broker.pid) - computed < TICKS
    assert broker.descriptors() == before


def test_another_network_namespace_does_not_see_the_name(broker: RunningBroker) -> None:
    """Abstract names are of a network namespace; the path is for who shares the files."""
    need_tool("unshare")
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect('\\0' + sys.argv[1])"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-S", "-E", "-c", code, broker.address[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "ConnectionRefusedError" in done.stderr
