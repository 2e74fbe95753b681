# SPDX-License-Identifier: MIT
"""What a service manager passes, and what it is told."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from .activation import activated
from .broker import COMMANDS, Files, running
from .process import PATIENCE
from .programs import run_forked
from .wire import Wire


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def listening(stack: ExitStack, address: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Make a listening socket as a socket unit would."""
    listener = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
    listener.bind(f"\0{address[1:]}" if address[0] == "@" else address)
    listener.listen(17)
    return listener


def test_listeners(files: Files, loop: str, stack: ExitStack) -> None:
    """The settings say which resources an address has, whoever has bound it."""
    files.write_settings(
        listen=f'[{{address: "{files.address}"}}, {{address: "{files.path}", resources: note}}]'
    )
    passed = {"fdbrokerd.socket": listening(stack, files.address), "more": listening(
        stack, files.path
    ), "unknown": listening(stack, f"{files.address}-2")}  # fmt: skip
    early = stack.enter_context(Wire(files.address))
    with activated(files, loop, passed) as broker:
        for one in passed.values():
            one.close()
        assert early.call("Get", resource="pty").error == ""
        with Wire(files.path) as wire:
            assert wire.call("Get", resource="note").error == ""
            assert wire.call("Get", resource="pty").error == "Denied"
            items = wire.call("List").parameters["items"]
            assert [one["name"] for one in items] == ["note"]
        with Wire(f"{files.address}-2") as wire:
            assert wire.call("Get", resource="pty").error == ""
        assert sorted(broker.status()["listeners"]) == sorted(
            [files.address, files.path, f"{files.address}-2"]
        )
        assert broker.stop() == 0
    assert os.path.exists(files.path), "it is the service manager's"


def test_clients_see_who_listened_first(files: Files, stack: ExitStack) -> None:
    """listen(2) again would put the daemon in the place of the service manager (SO_PEERCRED)."""
    passed = {"a": listening(stack, files.address)}
    with activated(files, "uvloop", passed), Wire(files.address) as wire:
        assert wire.is_served()
        seen = wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert int.from_bytes(seen[:4], "little") == os.getpid()


def test_connected(files: Files, loop: str) -> None:
    ours, theirs = Wire.pair()
    with ours, theirs, activated(files, loop, {"varlink": theirs}) as broker:
        theirs.close()
        assert ours.call("org.varlink.service.GetInfo").parameters["product"] == "fdbrokerd"
        assert len(ours.call("Get", resource="pty").descriptors) == 2
        assert not os.path.exists(files.path), "whoever passes a connection wants no listener"
        ours.socket.shutdown(socket.SHUT_WR)
        assert ours.is_hung_up()
        assert broker.process.wait(PATIENCE) == 0


def test_listeners_for_another_process(files: Files, stack: ExitStack) -> None:
    """What LISTEN_PID does not name as ours is left alone."""
    other = listening(stack, f"{files.address}-2")
    with running(files, LISTEN_FDS="1", LISTEN_PID=str(os.getpid())), Wire(files.address) as wire:
        assert wire.is_served()
    assert other.fileno() >= 0


Passed = socket.socket | IO[str]


def null(stack: ExitStack) -> Passed:
    """Open something that is no socket."""
    return stack.enter_context(Path("/dev/null").open())


NONSENSE: dict[str, tuple[Callable[[ExitStack], Passed], str]] = {
    "file": (null, "is no socket"),
    "listening packets": (
        lambda stack: listening(stack, "@fdbroker-test-packets", socket.SOCK_SEQPACKET),
        "is no listening Unix socket",
    ),
    "datagrams": (
        lambda stack: stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)),
        "is no listening Unix socket",
    ),
    "unconnected": (
        lambda stack: stack.enter_context(socket.socket(socket.AF_UNIX)),
        "is no listening Unix socket",
    ),
    "internet": (
        lambda stack: stack.enter_context(socket.create_server(("127.0.0.1", 0))),
        "is no listening Unix socket",
    ),
}


@pytest.mark.parametrize(
    ("passed", "name"),
    [*((each, "varlink") for each in NONSENSE), ("file", "fdbrokerd.socket"), ("datagrams", "")],
)
def test_nonsense(files: Files, stack: ExitStack, passed: str, name: str) -> None:
    make, message = NONSENSE[passed]
    done = run_forked(
        "--config",
        str(files.settings),
        passed=make(stack).fileno(),
        LISTEN_FDS="1",
        LISTEN_FDNAMES=name,
    )
    assert done.returncode == 71
    assert done.stderr == f"fdbrokerd: what was passed as '{name}' {message}\n"


@pytest.mark.parametrize(
    ("count", "message"),
    [
        ("x", "LISTEN_FDS is 'x'"),
        ("-1", "LISTEN_FDS is '-1'"),
        ("1000000", "LISTEN_FDS is '1000000'"),
        ("2", "LISTEN_FDS=2, and descriptor 4 is not open"),
    ],
)
def test_numbers_that_are_none(files: Files, stack: ExitStack, count: str, message: str) -> None:
    passed = listening(stack, files.address).fileno()
    done = run_forked("--config", str(files.settings), passed=passed, LISTEN_FDS=count)
    assert (done.returncode, done.stderr) == (71, f"fdbrokerd: {message}\n")


def test_watchdog(files: Files, loop: str) -> None:
    """It is told at half the interval: twice in each, and not much oftener."""
    with running(files, COMMANDS[loop], WATCHDOG_USEC="200000") as broker:
        broker.notifications.until("WATCHDOG")
        begun = time.monotonic()
        for _ in range(4):
            broker.notifications.until("WATCHDOG")
        assert 0.3 < time.monotonic() - begun < 0.8
        broker.stop()


def test_no_watchdog_for_another_process(files: Files) -> None:
    with running(files, WATCHDOG_USEC="100000", WATCHDOG_PID="1") as broker:
        assert broker.stop() == 0
        assert "STOPPING" in broker.notifications.next(), "and nothing before that"


def test_what_is_not_ascii_is_said_all_the_same(files: Files) -> None:
    with running(files) as broker:
        files.write_rules("resources:\n  größe: {kind: pty}\n")
        with Wire(broker.address) as wire:
            assert wire.call("io.fdbroker.Manager.Reload").error == "ReloadFailed"
        broker.notifications.until("RELOADING")
        assert "older rules in force" in broker.notifications.next()["STATUS"]
