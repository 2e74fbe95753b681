# SPDX-License-Identifier: MIT
"""fdbrokerctl list -l, remove and watch."""

import json
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd import Client
from fdbrokerd.cli.duration import shown
from fdbrokerd.cli.listing import long_table
from fdbrokerd.client.facts import Item
from fdbrokerd.client.fields import Fields
from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import CTL, PATIENCE, environment, run, running_broker
from tests.client.scripted import Scripted, happened, send, serving, take_call

RULES = """
fdbroker: 1
resources:
  slots: {{kind: store}}
  hidden: {{kind: store}}
rules:
  - id: own
    allow: slots
    do: [get, put, take, remove, list, watch]
    peer: {{uid: {uid}}}
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("items")
    with running_broker(directory, RULES.format(uid=os.geteuid())) as where:
        yield where


@pytest.fixture
def address(broker: str) -> Iterator[str]:
    """Return the broker's address; what a test put is removed."""
    yield broker
    with Client(broker) as client:
        for item in client.list():
            if "/" in item.name:
                client.remove(item.name)


@pytest.fixture
def pipe() -> Iterator[OwnedFd]:
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    with OwnedFd(read_end), OwnedFd(write_end) as one:
        yield one


def ctl(address: str, *words: str) -> subprocess.CompletedProcess[str]:
    return run(CTL, address, *words)


# list

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
ITEMS: list[dict[str, object]] = [
    {"name": "pty", "kind": "pty", "state": "available", "holders": 2},
    {
        "name": "slots/web",
        "kind": "socket",
        "state": "available",
        "owner": 0,
        "createdUSec": NOW - 93_784 * SECOND,
        "holders": 1,
        "descriptors": [{"name": "fd", "type": "socket", "what": "tcp *:80"}],
    },
    {
        "name": "slots/two",
        "kind": "pipe,memfd",
        "state": "reserved",
        "owner": 2**32 - 3,
        "createdUSec": NOW - 59 * SECOND,
        "expiresUSec": NOW + 300 * SECOND,
        "holders": 0,
        "descriptors": [
            {"name": "in", "type": "pipe", "what": "write"},
            {"name": "map", "type": "memfd", "what": ""},
        ],
    },
    {
        "name": "slots/bad\x1b[2J",
        "kind": "socket",
        "state": "available",
        "owner": 0,
        "createdUSec": NOW + SECOND,
        "expiresUSec": NOW,
        "holders": 0,
        "descriptors": [{"name": "fd", "type": "socket", "what": "@a\nslots/b\u202e"}],
    },
]
GOLDEN = r"""
NAME              KIND        STATE      OWNER       AGE    EXPIRES  HOLDERS  WHAT
pty               pty         available  -           -      -        2        -
slots/web         socket      available  root        1d 2h  -        1        tcp *:80
slots/two         pipe,memfd  reserved   4294967293  59s    in 5min  0        in: write, map: memfd
slots/bad\x1b[2J  socket      available  root        0s     now      0        @a\nslots/b\u202e
"""


def test_the_long_form() -> None:
    items = [Item(Fields(one, "an item")) for one in ITEMS]
    assert long_table(items, NOW) == GOLDEN.strip()
    assert long_table([], NOW) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0.5, "0s"), (59, "59s"), (60, "1min"), (3599, "59min 59s"), (3600, "1h"),
     (3605, "1h"), (86400 * 9 + 3600, "9d 1h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert shown(seconds) == text


def test_listing_what_is_held(address: str, pipe: OwnedFd) -> None:
    with Client(address) as client:
        client.put("slots/in", pipe, ttl_seconds=3600, metadata={"k": "v"})
    done = ctl(address, "list", "-l")
    assert done.returncode == 0
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["NAME", "KIND", "STATE", "OWNER", "AGE", "EXPIRES", "HOLDERS", "WHAT"]
    (row,) = (row for row in rows if row.startswith("slots/in "))
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert row.split()[1:4] == ["pipe", "available", user]
    assert "  in " in row
    values = json.loads(ctl(address, "list", "--json").stdout)
    (one,) = (one for one in values if one["name"] == "slots/in")
    assert one["metadata"] == {"k": "v"}
    assert "slots/in" in ctl(address, "list").stdout


# remove


def test_removing(address: str, pipe: OwnedFd) -> None:
    with Client(address) as client:
        for name in ("a", "b", "c"):
            client.put(f"slots/{name}", pipe)
        assert ctl(address, "remove", "slots/a").returncode == 0
        done = ctl(address, "remove", "slots/b", "slots/a", "hidden/x", "slots/c")
        assert (done.returncode, done.stdout) == (66, "")
        assert done.stderr.splitlines()[0] == "fdbrokerctl: there is no slots/a"
        assert "fdbrokerctl: denied: hidden/x" in done.stderr
        assert not [one for one in client.list() if "/" in one.name]
    assert ctl(address, "remove").returncode == 64
    assert ctl("@fdbroker-nobody-here", "remove", "slots/a").returncode == 69


# watch


class Watching:
    """A running `fdbrokerctl watch`."""

    def __init__(self, address: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [*CTL, "watch", *words],
            env=environment(address),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End it; return its status, and what it said of faults."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


def test_watching(address: str, pipe: OwnedFd) -> None:
    with Client(address) as client:
        client.put("slots/a", pipe)
        watching = Watching(address, "slots")
        assert watching.line() == "added slots/a\n"
        client.put("slots/b", pipe)
        assert watching.line() == "added slots/b\n"
        client.put("slots/b", pipe, replace=True)
        assert watching.line() == "replaced slots/b\n"
        client.remove("slots/a")
        assert watching.line() == "removed slots/a\n"
        assert watching.end() == (-signal.SIGINT, "")


def test_watching_as_json(address: str, pipe: OwnedFd) -> None:
    with Client(address) as client:
        client.put("slots/a", pipe)
    watching = Watching(address, "--json", "slots/a")
    assert json.loads(watching.line()) == {"event": "added", "resource": "slots/a"}
    watching.end()


def test_a_command_for_each(address: str, pipe: OwnedFd) -> None:
    """One that fails is said, and the next event has its own."""
    script = 'echo "$0 $FDBROKER_EVENT $FDBROKER_RESOURCE"; test $FDBROKER_EVENT = added'
    with Client(address) as client:
        client.put("slots/a", pipe)
        watching = Watching(address, "slots", "--exec", "sh", "-c", script, "--json")
        assert watching.line() == "--json added slots/a\n"
        client.put("slots/a", pipe, replace=True)
        assert watching.line() == "--json replaced slots/a\n"
        client.remove("slots/a")
        assert watching.line() == "--json removed slots/a\n"
        client.put("slots/b", pipe)
        assert watching.line() == "--json added slots/b\n"
    status, said = watching.end()
    assert status == -signal.SIGINT
    assert said.splitlines() == [
        "fdbrokerctl: sh: replaced slots/a: exit status 1",
        "fdbrokerctl: sh: removed slots/a: exit status 1",
    ]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["hidden"], 77, "denied: hidden"),
        (["slots", "--exec"], 64, "--exec: no command after it"),
        (["slots", "--exec", "fdbroker-no-such-program"], 127, "not found"),
        (["slots", "--json", "--exec", "true"], 64, "do not go together"),
        ([], 64, "RESOURCE"),
    ],
)
def test_what_cannot_be_watched(address: str, words: list[str], status: int, said: str) -> None:
    done = ctl(address, "watch", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


@pytest.mark.parametrize("words", [[], ["--exec", "sh", "-c", "echo $FDBROKER_EVENT slots/a"]])
def test_a_broker_that_goes_away(tmp_path: Path, words: list[str]) -> None:
    """What it told before is told, also where a command takes long."""

    def idle(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)

    def tells(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)
        for event in ("added", "ready", "replaced", "removed"):
            send(connection, happened(event))

    address = str(tmp_path / "broker")
    with serving(address, idle, tells):
        done = ctl(address, "watch", "slots", *words)
    assert done.returncode == 69
    assert done.stdout == "added slots/a\nreplaced slots/a\nremoved slots/a\n"
    assert done.stderr == "fdbrokerctl: the broker hung up\n"


def test_a_reader_that_has_enough(address: str, pipe: OwnedFd) -> None:
    with Client(address) as client:
        client.put("slots/a", pipe)
        watching = Watching(address, "slots")
        assert watching.line()
        assert watching.process.stdout is not None
        watching.process.stdout.close()
        client.remove("slots/a")
        assert watching.process.wait(PATIENCE) == 141
        assert watching.process.stderr is not None
        watching.process.stderr.close()
