# SPDX-License-Identifier: MIT
"""What the service manager passes, and what it is told: real descriptors, real datagrams."""

import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdbrokerd.fd import close_all
from fdbrokerd.systemd import (
    MAX_PASSED,
    Notifier,
    NotPassed,
    is_listener,
    passed_descriptors,
)

from .processes import in_child

ME = "$PID"
"""In an environment: the process that reads it."""


def environment(**variables: str) -> dict[str, str]:
    mine = {name: value.replace(ME, str(os.getpid())) for name, value in variables.items()}
    return {"KEPT": "1", **mine}


def passed(count: int, **variables: str) -> list[tuple[str, int]]:
    """Return the names and numbers of what was passed; the first `count` from 3 are open."""
    os.closerange(3, 20)
    for _ in range(count):
        os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
    given = environment(**variables)
    try:
        owned = passed_descriptors(given)
    finally:
        assert given == {"KEPT": "1"}, "the variables are for nobody else"
    told = [(one.name, one.descriptor.fileno()) for one in owned]
    assert not any(os.get_inheritable(number) for _, number in told)
    close_all(one.descriptor for one in owned)
    return told


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, []),
        ({"LISTEN_FDS": "2"}, []),
        ({"LISTEN_PID": ME}, []),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, []),
        ({"LISTEN_PID": f"{ME}0", "LISTEN_FDS": "2"}, []),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "0"}, []),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "2"}, [("", 3), ("", 4)]),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, [("a", 3), ("b", 4)]),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"}, [("a", 3), ("", 4)]),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b:c"}, [("a", 3)]),
        ({"LISTEN_PID": ME, "LISTEN_FDS": "1", "LISTEN_FDNAMES": ":"}, [("", 3)]),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a", "LISTEN_PIDFDID": "7"}, []),
    ],
)
def test_what_is_passed(variables: dict[str, str], expected: list[tuple[str, int]]) -> None:
    def read() -> None:
        assert passed(2, **variables) == expected

    in_child(read)


@pytest.mark.parametrize("count", ["-1", "x", "1.0", "²", str(MAX_PASSED + 1), "9" * 40, " 1"])
def test_numbers_that_are_none(count: str) -> None:
    def read() -> None:
        with pytest.raises(NotPassed, match=re.escape(f"LISTEN_FDS is {count!r}")):
            passed(2, LISTEN_PID=ME, LISTEN_FDS=count)

    in_child(read)


def test_a_number_that_is_closed_is_told_and_nothing_is_lost() -> None:
    def read() -> None:
        with warnings.catch_warnings(record=True) as lost:
            warnings.simplefilter("always")
            with pytest.raises(NotPassed, match="descriptor 5 is not open"):
                passed(2, LISTEN_PID=ME, LISTEN_FDS="3")
        assert not lost, [str(one.message) for one in lost]

    in_child(read)


@pytest.fixture
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["{place}/notify", "@fdbroker-{pid}", "@fdbroker-é-{pid}"])
def manager(
    request: pytest.FixtureRequest,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_manager: None,  # noqa: ARG001 (only for its effect)
) -> Iterator[socket.socket]:
    """Return a service manager's socket, and set NOTIFY_SOCKET to it."""
    address = request.param.format(place=place, pid=os.getpid())
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0"))
        manager.setblocking(False)
        yield manager


@pytest.mark.parametrize(
    ("tell", "told"),
    [
        (lambda n: n.ready("up"), rb"READY=1\nSTATUS=up"),
        (lambda n: n.status("fine"), rb"STATUS=fine"),
        (lambda n: n.status("ä → \udcff"), rb"STATUS=\? \? \?"),
        (lambda n: n.status("a\nSTOPPING=1"), rb"STATUS=a STOPPING=1"),
        (lambda n: n.reloading(), rb"RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+"),
        (lambda n: n.stopping(), rb"STOPPING=1"),
        (lambda n: n.watchdog(), rb"WATCHDOG=1"),
    ],
)
def test_what_the_manager_is_told(
    manager: socket.socket, tell: Callable[[Notifier], None], told: bytes
) -> None:
    notifier = Notifier(os.environ)
    assert "NOTIFY_SOCKET" not in os.environ
    tell(notifier)
    notifier.close()
    assert re.fullmatch(told, manager.recv(4096))
    with pytest.raises(BlockingIOError):
        manager.recv(1)


def test_a_manager_that_does_not_read_stops_nobody(manager: socket.socket) -> None:
    def tell() -> None:
        notifier = Notifier(os.environ)
        for _ in range(2000):  # some hundred fit
            notifier.status("x" * 200)
        while b"READY" not in manager.recv(4096):
            notifier.ready("again")
        notifier.close()

    in_child(tell)


def test_without_a_manager_nothing_is_told(no_manager: None) -> None:  # noqa: ARG001 (only for its effect)
    notifier = Notifier(os.environ)
    notifier.ready("up")
    notifier.close()
    assert notifier.watchdog_seconds is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": ME}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_PID": ME}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog(variables: dict[str, str], seconds: float | None) -> None:
    given = environment(**variables)
    assert Notifier(given).watchdog_seconds == seconds
    assert given == {"KEPT": "1"}


@pytest.mark.parametrize(
    ("family", "kind", "listening", "expected"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, True, True),
        (socket.AF_UNIX, socket.SOCK_STREAM, False, False),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, True, False),
        (socket.AF_UNIX, socket.SOCK_DGRAM, False, False),
        (socket.AF_INET, socket.SOCK_STREAM, False, False),
    ],
)
def test_what_a_listener_is(
    family: socket.AddressFamily,
    kind: socket.SocketKind,
    listening: bool,  # noqa: FBT001 (a column of the table)
    expected: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    with socket.socket(family, kind) as one:
        if listening:
            one.bind(b"")
            one.listen(1)
        assert is_listener(one) is expected
