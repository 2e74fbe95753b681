# SPDX-License-Identifier: MIT
"""--run: a broker for one command, without root and without files."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import needs

from .broker import COMMANDS, environment
from .identity import User
from .process import PATIENCE, descendants, wait_until_ended
from .programs import Done, run, run_forked
from .wire import Wire

SHELL = ["/bin/sh", "-c"]
PERSON = User(1000)


def run_with(*command: str, loop: str = "uvloop") -> Done:
    """Run a command against a private broker."""
    return run("--run", "--", *command, command=COMMANDS[loop])


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ([*SHELL, "exit 0"], 0),
        ([*SHELL, "exit 7"], 7),
        ([*SHELL, "kill -TERM $$"], 128 + 15),
        ([*SHELL, "kill -KILL $$"], 128 + 9),
        (["/etc/passwd"], 126),
        (["/no/such/program"], 127),
        (["no-such-program-anywhere"], 127),
    ],
    ids=["0", "7", "SIGTERM", "SIGKILL", "no program", "no path", "no name"],
)
def test_exit_status(command: list[str], status: int) -> None:
    done = run_forked("--run", "--", *command)
    assert done.returncode == status
    assert (done.stderr != "") == (status in {126, 127})
    assert "Traceback" not in done.stderr


GET = f"{sys.executable} -m fdbrokerd.cli.get"


def test_the_command_gets_terminals(loop: str) -> None:
    done = run_with(*SHELL, f"{GET} --json pty && {GET} pty -- tty", loop=loop)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"kind": "pty"' in done.stdout
    assert "/dev/pts/" in done.stdout.splitlines()[-1]


def test_and_nothing_else() -> None:
    done = run_forked("--run", "--", *SHELL, f"{GET} --json file")
    assert done.returncode == 77
    assert "denied: file" in done.stderr


def test_as_an_ordinary_user(tmp_path: Path) -> None:
    """Without any right, and without a file; other users get nothing, not even root."""
    needs.need_tool("setpriv")
    os.chown(tmp_path, PERSON.uid, PERSON.uid)
    tmp_path.chmod(0o700)
    own = ["/usr/bin/env", f"HOME={tmp_path}", f"TMPDIR={tmp_path}"]
    setpriv = ["setpriv", f"--reuid={PERSON.uid}", f"--regid={PERSON.uid}", "--clear-groups"]
    with private([*own, *setpriv]) as (broker, address):
        if not address:
            needs.cannot("another user cannot run this Python: it is in a directory of root's")
        for user, error in ((PERSON, ""), (User(0), "Denied"), (User(1001), "Denied")):
            with Wire(address, user) as wire:
                assert wire.call("Get", resource="pty").error == error
        assert end(broker) == 0
    assert list(tmp_path.iterdir()) == []


TELL = 'echo "$FDBROKER_SOCKET"; exec cat'


@contextmanager
def private(prefix: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a private broker for cat(1); yield it and its address."""
    with subprocess.Popen(
        [*prefix, *COMMANDS["uvloop"], "--run", "--", *SHELL, TELL],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE)[0]
        yield process, process.stdout.readline().decode().strip()


def end(broker: subprocess.Popen[bytes]) -> int:
    """End the command, unless it has ended, and return the exit status."""
    broker.communicate(timeout=PATIENCE)
    return broker.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_for_the_command(number: signal.Signals) -> None:
    """Also the one that comes as soon as there is a command."""
    with private() as (broker, _):
        broker.send_signal(number)
        assert broker.wait(PATIENCE) == 128 + number


def test_the_command_decides_about_the_terminals_signals() -> None:
    """SIGINT and SIGQUIT go to it from the terminal, too: the broker stays until it ends."""
    with private() as (broker, address):
        for number in (signal.SIGINT, signal.SIGQUIT):
            broker.send_signal(number)
        with Wire(address) as wire:
            assert wire.is_served()
        assert end(broker) == 0


def test_nothing_stays_behind() -> None:
    with private() as (broker, address):
        with Wire(address) as wire:
            assert wire.is_served()
        family = descendants(broker.pid)
        assert len(family) == 2, "the command and the zygote"
        assert end(broker) == 0
    wait_until_ended(family)
    with pytest.raises(ConnectionRefusedError):
        Wire(address)


def test_what_the_command_inherits() -> None:
    listed = run_with(*SHELL, "ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; env")
    lines = listed.stdout.splitlines()
    assert lines[:4] == ["0", "1", "2", "3"], "3 is the listing's own"
    for line in lines[4:6]:
        assert int(line.split()[1], 16) & 0x7FFFFFFF == 0
    assert any(line.startswith("FDBROKER_SOCKET=@fdbrokerd-run-") for line in lines)
    assert [name for name in os.environ if f"{name}=" not in listed.stdout] == []
