# SPDX-License-Identifier: MIT
"""The examples: each does what it says, run as its reader would, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import select
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.needs import need_tool
from tests.test_ptyget import (
    COMPILERS,
    NOT_JSON,
    PATIENCE,
    ROOT,
    Program,
    assert_hung_up,
    build,
    fake_broker,
    frame,
    granted,
    named,
    replying,
    run,
    send,
)

EXAMPLES = ROOT / "examples"
BROKER = [sys.executable, "-m", "fdbrokerd.cli.daemon", "--run", "--"]
PROGRAMS = {"fdbroker-get": "get", "fdbroker-put": "put", "fdbrokerctl": "ctl"}
STRICT = [
    "env",
    "PYTHONDEVMODE=1",
    # A shell that is meant to go on when its parent ends is no leak.
    "PYTHONWARNINGS=error,ignore:subprocess:ResourceWarning",
    sys.executable,
]
LIST_ITEMS = """
from fdbrokerd import Client
with Client() as broker:
    print("left:", *(item.name for item in broker.list() if "/" in item.name))
"""
MARK = "FDBROKERD_TEST_OF_EXAMPLES"
CALL = b'{"method":"io.fdbroker.Broker.Get","parameters":{"resource":"eventfd/wake"}}\0'
EVENTFD = granted(named(("eventfd", 0)), resource="eventfd/wake", kind="eventfd")


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Set an environment that all processes of a test can be told by, with this checkout in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name, module in PROGRAMS.items():
        program = directory / name
        python = shlex.quote(sys.executable)
        program.write_text(f'#!/bin/sh\nexec {python} -m fdbrokerd.cli.{module} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    value = uuid4().hex
    monkeypatch.setenv(MARK, value)
    return value


def example(mark: str, *command: str | Path) -> list[str]:
    """Run an example with a broker of its own; return its lines, once nothing is left of it."""
    then_list = f'"$@" && {shlex.quote(sys.executable)} -c {shlex.quote(LIST_ITEMS)}'
    with Program(*BROKER, "sh", "-c", then_list, "sh", *command) as program:
        status, output, diagnostics = program.end()
        assert (status, diagnostics.decode()) == (0, "")
        for pid in processes_with(f"{MARK}={mark}"):
            assert_ends(pid)
    lines = output.decode().splitlines()
    assert lines.pop() == "left:"
    return lines


def processes_with(variable: str) -> list[int]:
    """Return the processes that inherited a variable."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if variable.encode() in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def assert_ends(pid: int) -> None:
    """Wait for the end of a process that is no child of this one: it may be on its way still."""
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            assert select.select([pidfd], [], [], PATIENCE)[0], f"process {pid} goes on"
        finally:
            os.close(pidfd)


def matched(lines: list[str], *patterns: str) -> list[tuple[str, ...]]:
    """Return what the groups of each line's pattern hold; there are as many lines as patterns."""
    assert len(lines) == len(patterns), lines
    found = []
    for line, pattern in zip(lines, patterns, strict=True):
        match = re.fullmatch(pattern, line)
        assert match is not None, (line, pattern)
        found.append(match.groups())
    return found


def test_one_process_wakes_another(mark: str) -> None:
    sleeper, waker, woken = matched(
        example(mark, *STRICT, EXAMPLES / "wake.py"),
        r"process (\d+) waits for eventfd/wake",
        r"process (\d+) writes to eventfd/wake",
        r"process (\d+) was woken; the counter was 1",
    )
    assert sleeper == woken != waker


def test_a_socket_is_accepted_by_one_process_and_served_by_another(mark: str) -> None:
    line = r"the client hears: process (\d+) serves (127\.0\.0\.1:\d+), accepted by process (\d+)"
    one, another = matched(example(mark, *STRICT, EXAMPLES / "hand_over_socket.py"), *[line] * 2)
    assert (one[0], one[2]) == (another[0], another[2])
    assert one[0] != one[2]
    assert one[1] != another[1]


def test_a_terminal_moves_to_a_successor(mark: str) -> None:
    before, after, end = matched(
        example(mark, *STRICT, EXAMPLES / "successor.py"),
        r"process (\d+): shell (\d+) heard, as number 1: hello",
        r"process (\d+): shell (\d+) heard, as number 2: hello again",
        r"process (\d+): the shell has ended",
    )
    assert before[0] != after[0] == end[0]
    assert before[1] == after[1]


def test_a_listening_socket_outlives_its_service(mark: str) -> None:
    need_tool("python3")
    answer = r"the client hears: service (\d+) answers, on http"
    lines = example(mark, EXAMPLES / "listen.sh")
    (port,), (same_port,), (one,), _, (another,), _ = matched(
        lines,
        r"a socket listens on port (\d+), and no service runs",
        r"store/web +socket .* listening tcp socket 127\.0\.0\.1:(\d+)",
        answer,
        "start 1 of the service has ended",
        answer,
        "start 2 of the service has ended",
    )
    assert port == same_port
    assert one != another


# The same in C


@pytest.fixture(scope="module", params=list(COMPILERS))
def wake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the example with each compiler in turn."""
    source = EXAMPLES / "wake.c"
    return build(tmp_path_factory.mktemp("wake"), COMPILERS[request.param], source=source)


@pytest.fixture(scope="module")
def gnu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it once, for where the compiler makes no difference."""
    source = EXAMPLES / "wake.c"
    return build(tmp_path_factory.mktemp("wake"), COMPILERS["gnu11"], source=source)


def shell(script: str, wake: Path) -> list[str]:
    """Run a script with a broker of its own; return the lines of its output. $0 is the program."""
    with Program(*BROKER, "sh", "-c", script, wake) as program:
        status, output, diagnostics = program.end()
    assert (status, diagnostics.decode()) == (0, "")
    return output.decode().splitlines()


def test_c_wakes_who_waits(wake: Path) -> None:
    script = '"$0" wait | { read -r waiting; echo "$waiting"; "$0" signal; cat; }'
    assert shell(script, wake) == [
        "waiting for eventfd/wake",
        "signalled eventfd/wake",
        "woken: signalled 1 times",
    ]


def test_c_wakes_who_waits_later(wake: Path) -> None:
    assert shell('"$0" signal && "$0" signal && "$0" wait', wake) == [
        *["signalled eventfd/wake"] * 2,
        "waiting for eventfd/wake",
        "woken: signalled 2 times",
    ]


def test_c_asks_for_the_eventfd_by_its_name(gnu: Path) -> None:
    eventfd = os.eventfd(0)
    try:
        with fake_broker(replying(EVENTFD, eventfd)) as broker:
            assert run(gnu, "signal", broker.address) == (0, "signalled eventfd/wake\n", "")
        assert broker.call == CALL
        assert os.eventfd_read(eventfd) == 1
    finally:
        os.close(eventfd)


def test_c_waits_for_a_non_blocking_eventfd_with_others(gnu: Path) -> None:
    """All who wait are told that it is readable, and all but one read too late."""
    eventfd = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        with (
            fake_broker(replying(EVENTFD, eventfd)) as broker,
            fake_broker(replying(EVENTFD, eventfd)) as another,
            Program(gnu, "wait", broker.address) as first,
            Program(gnu, "wait", another.address) as second,
        ):
            for program in (first, second):
                assert program.read_until(b"\n") == b"waiting for eventfd/wake\n"
            os.eventfd_write(eventfd, 1)
            ended = [os.pidfd_open(program.pid) for program in (first, second)]
            try:
                assert len(select.select(ended, [], [], PATIENCE)[0]) == 1
                os.eventfd_write(eventfd, 1)
            finally:
                for pidfd in ended:
                    os.close(pidfd)
            for program in (first, second):
                assert program.end() == (0, b"woken: signalled 1 times\n", b"")
    finally:
        os.close(eventfd)


@pytest.mark.parametrize("verb", ["wait", "signal"])
def test_c_refuses_what_is_no_eventfd(gnu: Path, tmp_path: Path, verb: str) -> None:
    """Eight bytes in a file would spoil it; and a file's name may look like an eventfd's."""
    expected = (65, "", "wake: the descriptor named eventfd is none\n")
    names = ["file", "anon_inode:[eventfd]", "anon_inode:[eventfd"]
    for name in names:
        with (tmp_path / name).open("w+b") as file:
            with fake_broker(replying(EVENTFD, file.fileno())) as broker:
                assert run(gnu, verb, broker.address) == expected
            assert file.read() == b""
    with fake_broker(lambda peer: send(peer, EVENTFD, peer.fileno())) as broker:
        assert run(gnu, verb, broker.address) == expected


def test_c_takes_one_of_many(gnu: Path) -> None:
    """What else came is closed."""
    descriptors = named(("extra", 0), ("eventfd", 1), ("more", 2))
    reader, writer = os.pipe()
    eventfd = os.eventfd(0)
    try:
        with (
            fake_broker(replying(granted(descriptors), reader, eventfd, reader)) as broker,
            Program(gnu, "wait", broker.address) as program,
        ):
            assert program.read_until(b"\n") == b"waiting for eventfd/wake\n"
            os.close(reader)
            assert len(os.listdir(f"/proc/{program.pid}/fd")) == 4
            with pytest.raises(BrokenPipeError):
                os.write(writer, b"nobody reads")
            os.eventfd_write(eventfd, 3)
            assert program.end() == (0, b"woken: signalled 3 times\n", b"")
    finally:
        os.close(writer)
        os.close(eventfd)


WRONG = {
    **{name: (reply, 65, "the reply is not a JSON object") for name, reply in NOT_JSON.items()},
    "no list": (b"{}\0", 65, "the reply has no proper list of descriptors"),
    "another name": (granted(named(("event", 0))), 65, "the reply names no eventfd among 1 des"),
    "out of range": (granted(named(("eventfd", 1))), 65, "the reply names no eventfd among 1 des"),
    "negative": (granted(named(("eventfd", -1))), 65, "the reply names no eventfd among 1 des"),
    "one too few": (granted(), 65, "expected 2 descriptors, received 1"),
    "denied": (frame({"error": "io.fdbroker.Broker.Denied"}), 77, "io.fdbroker.Broker.Denied"),
    "half": (EVENTFD[:-1], 65, "the broker hung up in the middle of its reply"),
    "two": (EVENTFD + EVENTFD, 65, "the broker sent more than one reply"),
}


@pytest.mark.parametrize(("reply", "status", "diagnostics"), WRONG.values(), ids=WRONG.keys())
def test_c_refuses_nonsense(gnu: Path, reply: bytes, status: int, diagnostics: str) -> None:
    eventfd = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        with fake_broker(replying(reply, eventfd)) as broker:
            ended, output, said = run(gnu, "signal", broker.address)
        assert (ended, output) == (status, "")
        assert said.startswith(f"wake: {diagnostics}")
        with pytest.raises(BlockingIOError):
            os.eventfd_read(eventfd)  # nobody wrote to it
    finally:
        os.close(eventfd)


def test_c_gives_up_on_silence(tmp_path: Path) -> None:
    source = EXAMPLES / "wake.c"
    impatient = build(tmp_path, COMPILERS["gnu11"], "-DTIMEOUT_SECONDS=1", source=source)
    with fake_broker(assert_hung_up) as broker:
        expected = (75, "", "wake: the broker did not answer within 1 s\n")
        assert run(impatient, "wait", broker.address) == expected


@pytest.mark.parametrize("words", [[], [""], ["x"], ["waits"], ["wait", "@a", "@b"]])
def test_c_usage(gnu: Path, words: list[str]) -> None:
    assert run(gnu, *words) == (64, "", "wake: usage: wake wait|signal [ADDRESS]\n")
