# SPDX-License-Identifier: MIT
"""fdbroker-get with a pty: the relay, on a real terminal and without one."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fdbrokerd.cli import slave as slave_module
from fdbrokerd.cli.escape_key import EscapeKey
from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import GET, PATIENCE, environment, get, running_broker

RULES = """
fdbroker: 1
resources: {{pty: {{kind: pty}}}}
rules: [{{id: all, allow: pty, peer: {{uid: {uid}}}}}]
"""
ESCAPE = b"\x1d"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_broker(tmp_path_factory.mktemp("pty"), RULES.format(uid=os.geteuid())) as where:
        yield where


class Screen:
    """A terminal with a program on it, and what it has shown so far."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.shown = b""
        self.original = self.settings()
        self.process: subprocess.Popen[bytes]

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read_until(self, pattern: bytes) -> re.Match[bytes]:
        """Return the first match in what is shown from now on; what is before is forgotten."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.shown)):
            poll = select.poll()
            poll.register(self.master, select.POLLIN)
            assert poll.poll(max(deadline - time.monotonic(), 0) * 1000), self.shown
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(f"ended after {self.shown!r}") from None
        self.shown = self.shown[match.end() :]
        return match

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.master)

    def is_raw(self) -> bool:
        flags = self.settings()[3]
        assert isinstance(flags, int)
        return not flags & (termios.ICANON | termios.ECHO | termios.ISIG)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def on_a_terminal(address: str, command: list[str]) -> Iterator[Screen]:
    """Run a program on a terminal of its own that is 24 lines of 80 columns."""
    master, slave = os.openpty()
    try:
        screen = Screen(master)
        screen.resize(24, 80)
        with subprocess.Popen(
            command,
            env=environment(address),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (no threads here)
        ) as process:
            try:
                screen.process = process
                yield screen
            finally:
                process.kill()
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def relaying(address: str) -> Iterator[tuple[Screen, str]]:
    """Relay on a terminal; yield it and the slave's path."""
    with on_a_terminal(address, [*GET, "pty"]) as screen:
        path = screen.read_until(rb"(/dev/pts/\d+)\r\n")[1].decode()
        screen.read_until(rb"Type \^\] three times within one second to end.\r\n")
        await_raw(screen)
        yield screen, path


def await_raw(screen: Screen) -> None:
    """Wait until the terminal is raw: no event says so."""
    deadline = time.monotonic() + PATIENCE
    while not screen.is_raw():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def open_slave(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def test_a_relay_until_the_last_slave_is_closed(address: str) -> None:
    with relaying(address) as (screen, path):
        slave = open_slave(path)
        os.write(slave, b"to the terminal\n")
        screen.read_until(b"to the terminal\r\n")
        screen.type(b"from the keys\r")
        assert os.read(slave, 100) == b"from the keys\n"
        screen.read_until(b"from the keys\r\n")  # the inner terminal's echo; the outer one has none
        another = open_slave(path)
        os.close(slave)
        os.write(another, b"and last\n")
        os.close(another)
        screen.read_until(b"and last\r\n")
        assert screen.process.wait(PATIENCE) == 0
        assert screen.settings() == screen.original


def test_it_waits_for_the_first_opener(address: str) -> None:
    """A master whose slave was never opened by anybody would be hung up."""
    with relaying(address) as (screen, _):
        screen.type(b"nobody reads this\r")
        screen.read_until(b"nobody reads this\r\n")
        assert screen.process.poll() is None


def test_the_escape_key(address: str) -> None:
    with relaying(address) as (screen, path):
        slave = open_slave(path)
        screen.type(ESCAPE * 2 + b"x" + ESCAPE * 2 + b"\r")
        assert os.read(slave, 100) == ESCAPE * 2 + b"x" + ESCAPE * 2 + b"\n"
        screen.type(ESCAPE * 3)
        assert screen.process.wait(PATIENCE) == 0
        os.close(slave)
        assert screen.settings() == screen.original


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_restores_the_terminal(address: str, number: signal.Signals) -> None:
    with relaying(address) as (screen, _):
        screen.process.send_signal(number)
        assert screen.process.wait(PATIENCE) == -number
        assert screen.settings() == screen.original


def test_keys_of_job_control_go_inside(address: str) -> None:
    command = [*GET, "pty", "--", "sh", "-c", "trap 'echo caught' INT; echo ready; read x; cat"]
    with on_a_terminal(address, command) as screen:
        screen.read_until(b"ready\r\n")
        screen.type(b"\x03")
        screen.read_until(b"caught\r\n")
        assert screen.process.poll() is None


def test_stop_and_continue(address: str) -> None:
    script = (
        "set -m; " + " ".join(GET) + " pty -- sh -c 'echo ready; read x; echo got $x';"
        "stty -a | grep -ow -e '-icanon' -e icanon; fg >&2"
    )
    with on_a_terminal(address, ["sh", "-c", script]) as screen:
        screen.read_until(b"ready\r\n")
        await_raw(screen)
        (child,) = _children(screen.process.pid)
        os.kill(child, signal.SIGTSTP)
        assert screen.read_until(rb"(-?icanon)\r\n")[1] == b"icanon"
        await_raw(screen)
        screen.type(b"back\r")
        screen.read_until(b"got back\r\n")
        assert screen.process.wait(PATIENCE) == 0
        assert screen.settings() == screen.original


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_windows_size_is_kept(address: str) -> None:
    script = "trap 'stty size; kill $!; exit 5' WINCH; stty size; sleep 60 & echo ready; wait"
    with on_a_terminal(address, [*GET, "pty", "--", "sh", "-c", script]) as screen:
        screen.read_until(b"24 80\r\nready\r\n")
        screen.resize(30, 100)
        screen.read_until(b"30 100\r\n")
        assert screen.process.wait(PATIENCE) == 5


def test_a_command_has_a_session_and_a_controlling_terminal(address: str) -> None:
    script = "tty; ps -o sid= -p $$; echo $$; echo x > /dev/tty; ls /proc/self/fd; exit 7"
    done = get(address, "pty", "--", "sh", "-c", script)
    path, session, pid, x, *numbers = done.stdout.split()
    assert path.startswith("/dev/pts/")
    assert (session, x) == (pid, "x")
    assert numbers == ["0", "1", "2", "3"]  # ls has the directory at 3
    assert (done.returncode, done.stderr) == (7, "")


def test_a_command_that_a_signal_ends(address: str) -> None:
    assert get(address, "pty", "--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_the_end_of_input_is_typed(address: str) -> None:
    script = "stty -echo; echo ready; cat; echo end"
    assert get(address, "pty", "--", "sh", "-c", script, text="").stdout == "ready\nend\n"
    done = get(address, "pty", "--", "sh", "-c", "cat; echo end", text="in the middle")
    assert done.stdout == "in the middlein the middleend\n"
    assert done.returncode == 0


def test_the_end_of_input_ends_a_line_editor(address: str) -> None:
    """It leaves canonical mode before it reads, and the end of file typed in that is lost."""
    done = get(address, "pty", "--", "bash", "--norc", text="echo $((40+2))\n", TERM="dumb")
    assert re.search(r"^42$", done.stdout, re.MULTILINE)
    assert done.returncode == 0


def test_a_background_process_does_not_keep_the_relay(address: str) -> None:
    script = "setsid sleep 60 & echo $!"
    done = get(address, "pty", "--", "sh", "-c", script)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 0


def test_a_command_may_close_the_terminal_and_open_it_again(address: str) -> None:
    script = "exec </dev/null >/dev/null 2>&1; for i in 1 2 3 4 5 6 7 8; do echo $i >/dev/tty; done"
    assert get(address, "pty", "--", "sh", "-c", script).stdout.split() == list("12345678")


def test_much_in_both_directions(address: str) -> None:
    data = os.urandom(1024 * 1024)
    done = subprocess.run(
        [*GET, "pty", "preset=raw", "--", "head", "-c", str(len(data))],
        env=environment(address),
        input=data,
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == data


def test_a_reader_that_goes_away(address: str) -> None:
    with subprocess.Popen(
        [*GET, "pty", "--", "yes"], env=environment(address), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"y\r\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == -signal.SIGPIPE


def test_the_escape_key_within_one_second() -> None:
    key = EscapeKey()
    assert [key.pressed(ESCAPE, now) for now in (0.0, 0.4, 1.1, 1.3)] == [False, False, False, True]
    assert not key.pressed(ESCAPE * 2 + b"x" + ESCAPE, 2.4)


def test_without_inotify_the_slave_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slave_module, "_watch_opens", lambda _: None)
    master, slave = os.openpty()
    awaited = slave_module.Awaited(OwnedFd(slave))
    assert awaited.fileno() == -1
    os.close(open_slave(os.ttyname(slave)))
    os.fstat(slave)
    awaited.release()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(slave)
    os.close(master)


@contextmanager
def with_pipes(address: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Relay between pipes; yield the program and the slave's path."""
    with subprocess.Popen(
        [*GET, "pty", *arguments],
        env=environment(address),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            yield process, process.stderr.readline().decode().strip()
        finally:
            process.kill()


def test_pipes_until_the_input_ends_with_nobody_there(address: str) -> None:
    with with_pipes(address) as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_pipes_until_the_slave_is_closed(address: str) -> None:
    with with_pipes(address) as (process, path):
        assert process.stdin is not None
        assert process.stdout is not None
        slave = open_slave(path)
        process.stdin.write(b"last line")
        process.stdin.close()
        assert os.read(slave, 100) == b"last line"
        assert os.read(slave, 100) == b""
        os.write(slave, b"and an answer")
        os.close(slave)
        assert process.stdout.read().endswith(b"and an answer")
        assert process.wait(PATIENCE) == 0


def test_the_callers_streams_stay_as_they_are(address: str) -> None:
    with with_pipes(address) as (process, path):
        assert process.stdin is not None
        assert process.stdout is not None
        slave = open_slave(path)
        os.write(slave, b"x\n")
        assert os.read(process.stdout.fileno(), 3) == b"x\r\n"  # it runs
        for end in (0, 1):
            flags = Path(f"/proc/{process.pid}/fdinfo/{end}").read_text()
            assert not int(flags.split("flags:")[1].split()[0], 8) & os.O_NONBLOCK
        os.close(slave)
        process.wait(PATIENCE)


def test_quiet_does_not_tell_the_path(address: str) -> None:
    assert get(address, "-q", "pty").stderr == ""


@pytest.mark.parametrize("close", [lambda p: p.stdin.close(), lambda p: p.terminate()])
def test_no_process_and_no_pty_is_left(
    address: str, close: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    with with_pipes(address) as (process, path):
        made = os.stat(path).st_ctime_ns
        close(process)
        process.wait(PATIENCE)
    # Somebody else may have the number by now.
    assert not os.path.exists(path) or os.stat(path).st_ctime_ns > made
