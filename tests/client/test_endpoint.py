# SPDX-License-Identifier: MIT
"""Which broker is asked, and which is believed."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fdbrokerd import Client, NoAnswer, Unreachable, UsageError, WrongServer
from fdbrokerd.client import endpoint

ROOT = Path(__file__).resolve().parents[2]
NAME = f"@fdbroker-test-{os.getpid()}"
NOBODY = 65534


@contextmanager
def listening(address: str, backlog: int = 8) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.listen(backlog)
        yield listener


@pytest.fixture
def defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, str]:
    addresses = (str(tmp_path / "broker"), NAME)
    monkeypatch.setattr(endpoint, "DEFAULT_ADDRESSES", addresses)
    monkeypatch.delenv("FDBROKER_SOCKET", raising=False)
    return addresses


def test_the_path_comes_first(defaults: tuple[str, str]) -> None:
    with listening(defaults[0]) as path, listening(defaults[1]) as name, Client():
        path.accept()[0].close()
        name.setblocking(False)
        with pytest.raises(BlockingIOError):
            name.accept()


def test_the_abstract_name_where_nobody_has_the_path(defaults: tuple[str, str]) -> None:
    with listening(defaults[1]), Client():
        pass
    with listening(defaults[0]):
        pass  # leaves a stale socket
    with listening(defaults[1]), Client():
        pass


def test_nobody_anywhere(defaults: tuple[str, str]) -> None:
    with pytest.raises(Unreachable, match=f"no broker at {defaults[0]} or {defaults[1]}"):
        Client()


def test_the_variable_is_the_only_one_asked(
    defaults: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDBROKER_SOCKET", NAME + "-other")
    with listening(defaults[1]), pytest.raises(Unreachable, match="-other: Connection refused"):
        Client()


def test_a_broker_that_does_not_accept() -> None:
    with listening(NAME, backlog=0), Client(NAME), pytest.raises(NoAnswer):
        Client(NAME, timeout_seconds=0.05)


@pytest.mark.parametrize("address", ["fd:", "fd:x", "fd:-1", "relative", "@", "/" + "x" * 200])
def test_no_address(address: str) -> None:
    with pytest.raises(UsageError):
        Client(address)


@pytest.mark.parametrize("what", ["file", "datagram", "closed"])
def test_no_connection_at_the_number(what: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram, open("/dev/null") as file:
        number = {"file": file.fileno(), "datagram": datagram.fileno(), "closed": 9999}[what]
        with pytest.raises(Unreachable):
            Client(f"fd:{number}")


def test_a_wrong_uid_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDBROKER_SERVER_UID", "daemon")
    with pytest.raises(UsageError, match="FDBROKER_SERVER_UID is not a uid"):
        Client(NAME)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")

SQUATTER = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + sys.argv[1])
listener.listen()
print("listening", flush=True)
print(len(listener.accept()[0].recv(100)), flush=True)
"""


@pytest.fixture
def squatter() -> Iterator[subprocess.Popen[str]]:
    """Run a server of another uid, which says how many bytes its first client sent."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    with subprocess.Popen(
        [*command, "/usr/bin/python3", "-I", "-S", "-c", SQUATTER, NAME[1:]],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield process
        process.terminate()


@needs_root
def test_another_uid_is_not_believed_and_is_sent_nothing(squatter: subprocess.Popen[str]) -> None:
    with pytest.raises(WrongServer, match=f"has uid {NOBODY}"):
        Client(NAME)
    assert squatter.stdout is not None
    assert squatter.stdout.readline() == "0\n"


@needs_root
@pytest.mark.usefixtures("squatter")
def test_another_uid_is_believed_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(NAME, server_uid=NOBODY):  # the squatter ends with its first client
        monkeypatch.setenv("FDBROKER_SERVER_UID", str(NOBODY))
        with Client(NAME):
            pass


@needs_root
def test_a_setuid_program_is_told_why() -> None:
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    code = f"{path}\nfrom fdbrokerd import Client\nClient({NAME!r})"
    with listening(NAME):
        done = subprocess.run(
            ["setpriv", f"--ruid={NOBODY}", sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
        )
    assert f"the real uid ({NOBODY}) and the effective uid (0) differ" in done.stderr


@needs_root
@pytest.mark.usefixtures("squatter")
def test_who_is_not_mapped_does_not_believe_whoever_else_is_not() -> None:
    """In a user namespace without a map everybody looks like 65534, the client itself included."""
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    code = f"{path}\nfrom fdbrokerd import Client\nClient({NAME!r})"
    done = subprocess.run(
        ["unshare", "--user", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "WrongServer" in done.stderr
