# SPDX-License-Identifier: MIT
"""--daemonize: in the background, for systems whose service manager does not watch."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd

from .broker import COMMANDS, Files, environment
from .identity import User
from .process import PATIENCE, descendants, parent_of, wait_until_ended
from .programs import Done, run
from .wire import MANAGER, Wire


def start(files: Files, pid_file: Path | str, loop: str = "uvloop") -> Done:
    """Start a daemon; its first process has ended when this returns."""
    arguments = ["--daemonize", "--config", str(files.settings), "--pid-file", str(pid_file)]
    # From a directory of its own, so that what is named relatively is found from there.
    command = ["/usr/bin/env", "-C", str(files.directory), *COMMANDS[loop]]
    # Standard streams are files: a pipe would be held open by a daemon that does not detach.
    out, said = files.directory / "out", files.directory / "said"
    with out.open("w") as out_file, said.open("w") as said_file:
        status = subprocess.run(
            [*command, *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=said_file,
            check=False,
            timeout=PATIENCE,
        ).returncode
    return Done(arguments, status, out.read_text(), said.read_text())


@contextmanager
def detached(files: Files, pid_file: Path | str, loop: str = "uvloop") -> Iterator[int]:
    """Run a daemon in the background; yield its number, and end it."""
    done = start(files, pid_file, loop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Wire(files.address) as wire:  # answered as soon as it serves
        pid = int(wire.call(f"{MANAGER}Status").parameters["pid"])
    with OwnedFd(os.pidfd_open(pid)) as process:
        try:
            yield pid
        finally:
            if parent_of(pid) is not None:
                signal.pidfd_send_signal(process.fileno(), signal.SIGTERM)
            wait_until_ended([pid])


def test_it_says_how_long_it_holds_what_is_put(files: Files, loop: str) -> None:
    files.write_rules("resources:\n  slots: {kind: store}\n")
    done = start(files, files.directory / "pid", loop)
    assert (done.returncode, done.stdout) == (0, "")
    with Wire(files.address) as wire:
        status = wire.call(f"{MANAGER}Status").parameters
    with OwnedFd(os.pidfd_open(int(status["pid"]))) as process:
        signal.pidfd_send_signal(process.fileno(), signal.SIGTERM)
    wait_until_ended([int(status["pid"])])
    assert done.stderr == "fdbrokerd: holding what peers put until this daemon ends\n"
    assert status["store"]["durable"] is False


def test_detached(files: Files, loop: str) -> None:
    pid_file = files.directory / "pid"
    with detached(files, pid_file, loop) as pid:
        assert pid_file.read_text() == f"{pid}\n"
        assert os.getsid(pid) not in {pid, os.getsid(0)}, "it could get a terminal again"
        for number in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Umask:\t0077" in status
        with Wire(files.address, User(1000)) as wire:
            assert len(wire.call("Get", resource="pty").descriptors) == 2
            assert wire.call("Get", resource="own").error == ""
        with Wire(files.path) as wire:
            assert wire.is_served()
            assert wire.call(f"{MANAGER}Reload").error == ""
        assert files.audit.stat().st_mode & 0o777 == 0o600
        family = descendants(pid)
        assert family
    wait_until_ended(family)
    assert not pid_file.exists()
    assert not os.path.exists(files.path)


def test_twice(files: Files, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other")
    with detached(files, pid_file) as pid:
        done = start(other, pid_file)
        assert done.returncode == 71
        assert done.stderr == f"fdbrokerd: {pid_file} is locked: another fdbrokerd runs\n"
        assert pid_file.read_text() == f"{pid}\n"
        assert not os.path.exists(other.path), "what it had made is gone again"
        again = start(files, tmp_path / "another-pid")
        assert again.returncode == 71
        assert "Address already in use" in again.stderr
        assert not (tmp_path / "another-pid").exists()


def test_stale_pid_file(files: Files, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{os.getpid()}\nand something long that is not part of it\n")
    with detached(files, pid_file) as pid:
        assert pid_file.read_text() == f"{pid}\n"
        os.kill(pid, signal.SIGKILL)
        wait_until_ended([pid])
        assert pid_file.exists()
    with detached(files, pid_file) as successor:
        assert pid_file.read_text() == f"{successor}\n" != f"{pid}\n"


def test_relative_names(files: Files) -> None:
    """It changes to / and must still find what was named from elsewhere."""
    files.settings = Path(files.settings.name)
    pid_file = files.directory / "relative-pid"
    with detached(files, pid_file.name) as pid:
        assert pid_file.read_text() == f"{pid}\n"
        with Wire(files.address) as wire:
            reply = wire.call(f"{MANAGER}Reload")
            assert (reply.error, reply.parameters) == ("", {})
    assert not pid_file.exists()


@pytest.mark.parametrize("pid_file", ["no-such-directory/pid", "fdbrokerd.yaml/pid", "link"])
def test_pid_file_that_cannot_be(files: Files, pid_file: str) -> None:
    (files.directory / "link").symlink_to("/dev/null")
    done = start(files, files.directory / pid_file)
    assert done.returncode == 71
    assert done.stderr.startswith("fdbrokerd: cannot write the pid file ")
    assert not os.path.exists(files.path)


def test_mistakes_are_told_to_who_starts_it(files: Files) -> None:
    files.write_rules("nonsense: 1\n")
    done = run("--daemonize", "--config", str(files.settings))
    assert (done.returncode, "nonsense" in done.stderr) == (78, True)
