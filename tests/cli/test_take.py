# SPDX-License-Identifier: MIT
"""fdbroker-get --take and --wait."""

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd import Client
from fdbrokerd.cli.get_options import GetOptions
from fdbrokerd.errors import UsageError
from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import GET, PATIENCE, environment, get, running_broker
from tests.client.scripted import Scripted, reply, send, serving, take_call, taken

RULES = """
fdbroker: 1
resources:
  slots: {{kind: store}}
  seen: {{kind: store}}
rules:
  - id: own
    allow: slots
    do: [get, put, take, remove, list, watch]
    peer: {{uid: {uid}}}
  - {{id: see, allow: seen, do: [get, put, remove, list], peer: {{uid: {uid}}}}}
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("take")
    with running_broker(directory, RULES.format(uid=os.geteuid())) as where:
        yield where


@pytest.fixture
def address(broker: str) -> Iterator[str]:
    """Return the broker's address; what a test put is removed."""
    yield broker
    with Client(broker) as client:
        for name in held(broker):
            client.remove(name)


@pytest.fixture
def note(tmp_path: Path) -> Iterator[OwnedFd]:
    (tmp_path / "note").write_text("hello\n")
    with OwnedFd(os.open(tmp_path / "note", os.O_RDONLY | os.O_CLOEXEC)) as one:
        yield one


def held(address: str) -> dict[str, str]:
    """Return the items and their states."""
    with Client(address) as broker:
        return {one.name: one.state for one in broker.list() if "/" in one.name}


def put(address: str, *items: str, what: OwnedFd) -> None:
    with Client(address) as broker:
        for item in items:
            broker.put(item, what)


def test_a_command_has_it_and_nobody_else(address: str, note: OwnedFd) -> None:
    put(address, "slots/a", what=note)
    script = 'cat <&3; echo "$FDBROKER_FDNAMES"'
    done = get(address, "slots/a", "--take", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\nslots/a\n", "")
    assert held(address) == {}
    done = get(address, "slots/a", "--take")
    assert (done.returncode, done.stderr) == (66, "fdbroker-get: there is no slots/a\n")


def test_without_a_command(address: str, note: OwnedFd) -> None:
    put(address, "slots/a", what=note)
    done = get(address, "--take", "slots/a")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert held(address) == {}


def interpreted(directory: Path, by: str) -> str:
    path = directory / "script"
    path.write_text(f"#!{by}\necho ran\n")
    path.chmod(0o755)
    return str(path)


LEFT = {
    "not found": (["--", "fdbroker-no-such-program"], 127, "not found"),
    "cannot run": (["--", "/etc/passwd"], 126, "cannot be executed"),
    "no interpreter": (["--", "INTERPRETED"], 127, "/no/such/interpreter: not found"),
    "two for one": (["--fd", "5", "--stdin", "--fd", "5", "--", "true"], 64, "two descriptors"),
    "no such name": (["--fd", "5:x", "--", "true"], 64, "has no descriptor 'x'"),
    "above the limit": (["--fd", "LIMIT", "--", "true"], 64, "is above the limit on open files"),
}


@pytest.mark.parametrize(("words", "status", "said"), LEFT.values(), ids=LEFT.keys())
def test_what_cannot_be_done_leaves_it(
    address: str, note: OwnedFd, tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    put(address, "slots/a", what=note)
    made = {
        "INTERPRETED": interpreted(tmp_path, "/no/such/interpreter"),
        "LIMIT": str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }
    done = get(address, "slots/a", "--take", *(made.get(word, word) for word in words))
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert held(address) == {"slots/a": "available"}


def test_what_needs_a_command_is_left(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Client(address) as broker:
        broker.put("slots/web", listener)
    done = get(address, "slots/web", "--take")
    assert (done.returncode, "holds a listening socket" in done.stderr) == (64, True)
    assert held(address) == {"slots/web": "available"}


def test_several_all_or_none(address: str, note: OwnedFd) -> None:
    put(address, "slots/a", "slots/b", what=note)
    words = ["--take", "-r", "5=slots/a", "-r", "6=slots/b", "-r", "7=slots/c", "--", "true"]
    done = get(address, *words)
    assert (done.returncode, done.stderr) == (66, "fdbroker-get: there is no slots/c\n")
    assert held(address) == {"slots/a": "available", "slots/b": "available"}
    done = get(address, *words[:5], "--", "sh", "-c", "cat <&5")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert held(address) == {}


def test_a_taking_that_may_not_be(address: str, note: OwnedFd) -> None:
    put(address, "seen/a", what=note)
    done = get(address, "--take", "seen/a")
    assert (done.returncode, "denied: seen/a" in done.stderr) == (77, True)
    assert get(address, "seen/a").stdout == "hello\n"


def test_a_killed_taker_gives_it_back(address: str, note: OwnedFd) -> None:
    """It waits for a second item while it has the first one."""
    put(address, "slots/a", what=note)
    words = ["--take", "--wait", "-r", "5=slots/a", "-r", "6=slots/b", "--", "true"]
    with subprocess.Popen([*GET, *words], env=environment(address)) as taker:
        while held(address) != {"slots/a": "reserved"}:
            pass
        taker.send_signal(signal.SIGKILL)
    assert get(address, "slots/a", "--wait=20").stdout == "hello\n"
    assert held(address) == {"slots/a": "available"}


def test_what_was_taken_before_a_failure_is_said(tmp_path: Path) -> None:
    """The second one's Commit fails where nothing can be undone any more."""

    def taker(broker: Scripted, connection: socket.socket) -> None:
        null = os.open("/dev/null", os.O_RDONLY)
        take_call(broker, connection)
        send(connection, taken(0), [null])
        os.close(null)
        while take_call(broker, connection):
            first = len(broker.calls) == 3
            unknown = b'{"error": "org.varlink.service.InvalidParameter", "parameters": {}}\0'
            send(connection, reply({"item": "x"}) if first else unknown)

    def idle(broker: Scripted, connection: socket.socket) -> None:
        take_call(broker, connection)

    address = str(tmp_path / "broker")
    with serving(address, idle, taker, taker):
        words = ["--take", "-r", "5=s/a", "-r", "6=s/b", "--", "echo", "ran"]
        done = get(address, *words)
    assert (done.returncode, done.stdout) == (65, "")
    assert "taken before that, and closed now: thing" in done.stderr


# Waiting


def test_waiting_for_what_comes(address: str, note: OwnedFd) -> None:
    """It waits for a second item once it has the first one."""
    put(address, "slots/a", what=note)
    words = ["--take", "--wait", "-r", "5=slots/a", "-r", "6=slots/b", "--", "sh", "-c", "cat <&6"]
    with subprocess.Popen(
        [*GET, *words], env=environment(address), stdout=subprocess.PIPE
    ) as taker:
        while held(address) != {"slots/a": "reserved"}:
            pass
        put(address, "slots/b", what=note)
        assert taker.communicate(timeout=PATIENCE)[0] == b"hello\n"
    assert taker.returncode == 0
    assert held(address) == {}


def test_waiting_for_what_is_reserved(address: str, note: OwnedFd) -> None:
    put(address, "slots/a", what=note)
    with Client(address) as broker, broker.take("slots/a"):
        assert get(address, "slots/a", "--wait=10ms").returncode == 75
    assert get(address, "slots/a", "--wait=20s").stdout == "hello\n"


def test_waiting_in_vain(address: str) -> None:
    done = get(address, "slots/never", "--wait=100ms")
    assert (done.returncode, done.stderr) == (75, "fdbroker-get: timed out: slots/never\n")
    assert get(address, "slots/never").returncode == 66


# The command line

BAD = {
    "JSON": (["--take", "--json", "s/a"], "do not go together"),
    "no item": (["--take", "pty"], "pty: only an item, STORE/ITEM, can be taken"),
    "one of them is none": (["--take", "-r", "3=s/a", "-r", "4=tls", "--", "x"], "tls: only an"),
    "arguments": (["--take", "s/a", "x=1"], "has no arguments"),
    "no time": (["--wait=soon", "s/a"], "--wait soon: give a time such as"),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD.keys())
def test_bad(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        GetOptions(words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ([], None),
        (["--wait"], float("inf")),
        (["--wait=infinity"], float("inf")),
        (["--wait=5min"], 300),
    ],
)
def test_how_long(words: list[str], seconds: float | None) -> None:
    assert GetOptions([*words, "s/a"]).wait_seconds == seconds
