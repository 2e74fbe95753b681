# SPDX-License-Identifier: MIT
"""fdbroker-put, and fdbroker-get of what was put."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd import Client
from fdbrokerd.cli.put_options import PutOptions
from fdbrokerd.errors import UsageError
from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import GET, PATIENCE, PUT, environment, get, run, running_broker

RULES = """
fdbroker: 1
resources:
  slots: {{kind: store, quota: {{items: 20}}}}
  notes: {{kind: store, accept: [file]}}
  tiny: {{kind: store, quota: {{items: 1}}}}
  others: {{kind: store}}
rules:
  - id: own
    allow: [slots, notes, tiny]
    do: [get, put, take, remove, list, watch]
    peer: {{uid: {uid}}}
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("put")
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


def put(
    address: str, *arguments: str, text: str = "", number: int | None = None
) -> subprocess.CompletedProcess[str]:
    return run(PUT, address, *arguments, text=text, number=number)


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def note(tmp_path: Path) -> Iterator[OwnedFd]:
    (tmp_path / "note").write_text("hello\n")
    with OwnedFd(os.open(tmp_path / "note", os.O_RDONLY | os.O_CLOEXEC)) as one:
        yield one


def test_standard_input_by_default(address: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("hello\n")
    with open(tmp_path / "note") as file:
        done = subprocess.run(
            [*PUT, "slots/note"], env=environment(address), stdin=file, check=False
        )
    assert done.returncode == 0
    with Client(address) as broker, broker.get("slots/note") as grant:
        assert grant.names == ("fd",)
    for _ in range(2):  # a second one begins at the beginning too
        assert succeeded(get(address, "slots/note")) == "hello\n"


def test_names_and_numbers(address: str, note: OwnedFd) -> None:
    """In a row, by name, in the environment, and several at once."""
    number = str(note.fileno())
    words = ["--fd", f"{number}:a", "--fd", number, "--fd", f"{number}:b", "--fd", number]
    assert succeeded(put(address, *words, "slots/x/y", number=note.fileno())) == ""
    script = 'echo "$FDBROKER_FDS $FDBROKER_FDNAMES"; cat <&6'
    said = succeeded(get(address, "slots/x/y", "--", "sh", "-c", script))
    assert said == "3:4:5:6 a:fd0:b:fd1\nhello\n"
    script = 'test /proc/self/fd/9 -ef "$0" && echo "$B"'
    path = os.readlink(f"/proc/self/fd/{number}")
    said = succeeded(
        get(address, "slots/x/y", "--fd", "9:b", "--env", "B=b", "--", "sh", "-c", script, path)
    )
    assert said == "9\n"
    script = 'test /proc/self/fd/0 -ef "$0" && test /proc/self/fd/7 -ef "$0"'
    words = ["-r", "stdin:a=slots/x/y", "-r", "7:b=slots/x/y", "--", "sh", "-c", script, path]
    assert succeeded(get(address, *words)) == ""


def test_a_listening_socket_is_served_by_another(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = put(
            address, "--fd", f"{listener.fileno()}:web", "slots/web", number=listener.fileno()
        )
        assert succeeded(done) == ""
        where = listener.getsockname()
    code = (
        "import os, socket\n"
        "assert os.environ['LISTEN_FDS'] == '1' and os.environ['LISTEN_PID'] == str(os.getpid())\n"
        "print(os.environ['LISTEN_FDNAMES'])\n"
        "one, _ = socket.socket(fileno=3).accept(); one.sendall(b'served')\n"
    )
    with (
        socket.create_connection(where) as connection,
        subprocess.Popen(
            [*GET, "slots/web", "--", sys.executable, "-c", code],
            env=environment(address),
            stdout=subprocess.PIPE,
        ) as server,
    ):
        connection.settimeout(PATIENCE)
        assert connection.recv(100) == b"served"
        assert server.communicate()[0] == b"web\n"
    done = get(address, "slots/web")
    assert (done.returncode, done.stdout) == (64, "")
    assert "slots/web holds a listening socket: give a command that uses it" in done.stderr
    with Client(address) as broker, broker.get("slots/web").socket() as same:
        assert same.getsockname() == where


def test_what_is_held_decides_what_is_done(address: str, tmp_path: Path) -> None:
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    with (
        Client(address) as broker,
        OwnedFd(read_end) as reads,
        OwnedFd(write_end) as writes,
        OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as event,
        open(tmp_path / "log", "a+") as log,
    ):
        broker.put("slots/in", writes)
        broker.put("slots/out", reads)
        broker.put("slots/event", event)
        broker.put("slots/two", {"a": event, "b": reads})
        assert succeeded(get(address, "slots/in", text="through\n")) == ""
        broker.remove("slots/in")
        writes.close()
        assert succeeded(get(address, "slots/out")) == "through\n"
        log.write("kept\n")
        log.flush()
        broker.put("slots/log", log)
    assert succeeded(get(address, "slots/log")) == "kept\n"
    done = get(address, "slots/event")
    assert (done.returncode, "holds a descriptor of the type eventfd" in done.stderr) == (64, True)
    done = get(address, "slots/two")
    assert (done.returncode, "several descriptors (a, b)" in done.stderr) == (64, True)


def test_a_master_is_relayed(address: str) -> None:
    master, slave = os.openpty()
    with OwnedFd(master), OwnedFd(slave) as theirs, Client(address) as broker:
        broker.put("slots/pty", master)
        os.write(slave, b"hello\n")
        with subprocess.Popen(
            [*GET, "slots/pty"],
            env=environment(address),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as relay:
            assert relay.stdin is not None
            assert relay.stdout is not None
            assert relay.stdout.read(7) == b"hello\r\n"
            relay.stdin.write(b"typed\n")
            relay.stdin.flush()
            assert os.read(slave, 100) == b"typed\n"
            theirs.close()
            assert relay.stdout.read() == b"typed\r\n"
        assert relay.returncode == 0
        assert os.get_blocking(master)


def test_replacing(address: str, note: OwnedFd) -> None:
    for words, status in ([], 0), ([], 73), (["--replace"], 0):
        done = put(address, "--fd", str(note.fileno()), *words, "slots/note", number=note.fileno())
        assert done.returncode == status
    assert (
        "slots/note is there already"
        in put(address, "--fd", str(note.fileno()), "slots/note", number=note.fileno()).stderr
    )


def test_what_is_told_of_it(address: str, note: OwnedFd) -> None:
    number = note.fileno()
    words = ["--fd", str(number), "--ttl", "1h30min", "--meta", "a=1", "--meta", "b=x=y", "--json"]
    done = put(address, *words, "slots/note", number=number)
    assert json.loads(succeeded(done)) == {"item": "slots/note"}
    with Client(address) as broker:
        (item,) = (one for one in broker.list() if one.name == "slots/note")
        with broker.get("slots/note") as grant:
            assert grant.properties == {"a": "1", "b": "x=y"}
    assert item.metadata == {"a": "1", "b": "x=y"}
    assert item.owner == os.geteuid()
    assert item.created_usec is not None
    assert item.expires_usec is not None
    assert abs(item.expires_usec - item.created_usec - 5400 * 1_000_000) < 1_000_000
    (held,) = item.descriptors
    assert (held.name, held.type) == ("fd", "file")


STATUSES = {
    "denied": (["others/a"], 77, "denied: others/a"),
    "unknown": (["nowhere/a"], 77, "denied: nowhere/a"),
    "not taken": (["notes/a", "--fd", "PIPE"], 64, ""),
    "a name": (["slots/.."], 64, ""),
    "not open": (["slots/a", "--fd", "77"], 64, "the descriptor 77 (fd) is not open"),
    "no broker": (["slots/a", "--socket", "@fdbroker-nobody-here"], 69, "no broker at"),
    "usage": (["slots/a", "--nope"], 64, "unknown option --nope"),
}


@pytest.mark.parametrize(("words", "status", "said"), STATUSES.values(), ids=STATUSES.keys())
def test_exit_statuses(address: str, words: list[str], status: int, said: str) -> None:
    read_end, write_end = os.pipe()
    with OwnedFd(read_end), OwnedFd(write_end):
        words = [str(read_end) if word == "PIPE" else word for word in words]
        done = put(address, *words, number=read_end)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("fdbroker-put: ")
    assert said in done.stderr


def test_a_limit_is_temporary(address: str, note: OwnedFd) -> None:
    words = ["--fd", str(note.fileno())]
    assert put(address, *words, "tiny/a", number=note.fileno()).returncode == 0
    done = put(address, *words, "tiny/b", number=note.fileno())
    assert (done.returncode, "limit reached: items" in done.stderr) == (75, True)
    assert put(address, *words, "-E9", "tiny/b", number=note.fileno()).returncode == 9
    assert put(address, *words, "-q", "tiny/b", number=note.fileno()).stderr == ""


def test_closed_standard_input(address: str) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *PUT, "slots/a"],
        env=environment(address),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "the descriptor 0 (fd) is not open" in done.stderr) == (64, True)


def test_help_and_version(address: str) -> None:
    assert succeeded(put(address, "--help")).startswith("Usage: fdbroker-put")
    assert succeeded(put(address, "--version")).startswith("fdbroker-put 0.")


# The command line

GOOD = {
    "plain": (["s/a"], {"fd": 0}),
    "one": (["s/a", "--fd", "3"], {"fd": 3}),
    "one with a name": (["s/a", "--fd=3:x"], {"x": 3}),
    "several": (["--fd", "3", "--fd", "5:x", "s/a", "--fd", "4"], {"fd0": 3, "x": 5, "fd1": 4}),
    "one twice": (["--fd", "3:x", "s/a", "--fd", "3:y"], {"x": 3, "y": 3}),
}


@pytest.mark.parametrize(("words", "descriptors"), GOOD.values(), ids=GOOD.keys())
def test_good(words: list[str], descriptors: dict[str, int]) -> None:
    options = PutOptions(words)
    assert (options.item, options.descriptors) == ("s/a", descriptors)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5min", 300), ("2h", 7200), ("1d", 86400), ("1h 30min", 5400)],
)
def test_times(text: str, seconds: float) -> None:
    assert PutOptions(["s/a", "--ttl", text]).ttl_seconds == seconds


BAD = {
    "nothing": ([], "no name: STORE/ITEM"),
    "two": (["s/a", "s/b"], "one name at a time: s/b"),
    "no item": (["slots"], "give STORE/ITEM"),
    "no item's name": (["slots/"], "give STORE/ITEM"),
    "a command": (["s/a", "--", "true"], "only puts"),
    "no number": (["s/a", "--fd", "x"], "give N or N:NAME"),
    "no name": (["s/a", "--fd", "3:"], "not a descriptor's name: ''"),
    "a colon": (["s/a", "--fd", "3:a:b"], "not a descriptor's name: 'a:b'"),
    "a name twice": (["s/a", "--fd", "3:a", "--fd", "4:a"], "two descriptors of the name a"),
    "no time": (["s/a", "--ttl", "soon"], "give a time such as"),
    "half a time": (["s/a", "--ttl", "3s soon"], "give a time such as"),
    "no metadata": (["s/a", "--meta", "x"], "give KEY=VALUE"),
    "metadata twice": (["s/a", "--meta", "x=1", "--meta", "x=2"], "--meta x is given twice"),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD.keys())
def test_bad(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        PutOptions(words)
    assert said in str(caught.value)
