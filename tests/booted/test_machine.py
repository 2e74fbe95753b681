# SPDX-License-Identifier: MIT
"""The harness: what a booted machine is, and that nothing of it is left behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from .boot import BootError
from .machine import CommandError, Machine
from .project import REPOSITORY


def test_boots_into_a_running_systemd(machine: Machine) -> None:
    assert machine.systemctl("is-system-running").stdout == "running\n"
    assert machine.systemctl("--version").stdout.startswith("systemd 257 ")
    assert machine.run("cat", "/proc/1/comm").stdout == "systemd\n"


def test_boots_this_systems_own(old_machine: Machine) -> None:
    assert old_machine.systemctl("is-system-running").stdout == "running\n"
    host = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True)
    assert old_machine.systemctl("--version").stdout == host.stdout


def test_a_command_sees_the_machine_and_nothing_of_the_host(machine: Machine) -> None:
    assert machine.run("hostname").stdout == "machine\n"
    assert "0::/harness\n" in machine.run("cat", "/proc/self/cgroup").stdout
    assert machine.run("sh", "-c", "echo /proc/[0-9]*/cwd").stdout.startswith("/proc/1/cwd ")
    assert "FDBROKER" not in machine.run("env").stdout
    # Standard input, output and error, and the one that lists them.
    assert machine.run("ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]


def test_a_command_gets_its_input_and_environment(machine: Machine) -> None:
    command = ("sh", "-c", 'cat; echo "$WORD"')
    result = machine.run(*command, input="first\n", environment={"WORD": "second"})
    assert result.stdout == "first\nsecond\n"


def test_a_command_runs_as_another_user(machine: Machine) -> None:
    assert machine.run("id", user=1234).stdout == "uid=1234 gid=1234 groups=1234\n"
    assert machine.run("id", "-un", user="nobody").stdout == "nobody\n"
    groups = machine.run("cat", "/proc/self/status", user="nobody").stdout
    assert "CapEff:\t0000000000000000\n" in groups


def test_a_failed_command_says_why(machine: Machine) -> None:
    with pytest.raises(CommandError, match=r"exit status 3\nout\nerr") as caught:
        machine.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert caught.value.result.returncode == 3
    assert machine.run("false", check=False).returncode == 1


def test_a_command_that_is_killed_is_dead_inside_too(machine: Machine) -> None:
    with machine.popen("sh", "-c", "echo $$; exec sleep 1000") as process:
        assert process.stdout is not None
        inside = process.stdout.readline().strip()
        process.kill()
    # The descriptor of a process that is gone cannot be had; until then it becomes readable.
    script = (
        "import os, select, sys\n"
        "try: fd = os.pidfd_open(int(sys.argv[1]))\n"
        "except ProcessLookupError: sys.exit()\n"
        "select.select([fd], [], [])\n"
    )
    machine.run("python3", "-c", script, inside)


def test_a_command_has_a_time_limit(machine: Machine) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        machine.run("sleep", "1000", timeout=0.1)


def test_devices_and_terminals_are_the_machines_own(machine: Machine) -> None:
    script = "import os; a, b = os.openpty(); print(os.ttyname(b)); open('/dev/net/tun')"
    assert machine.run("python3", "-c", script).stdout == "/dev/pts/0\n"


def test_the_kernels_settings_cannot_be_changed(machine: Machine) -> None:
    result = machine.run("sh", "-c", "echo 1 >/proc/sys/fs/pipe-max-size", check=False)
    assert "Read-only file system" in result.stderr


def test_a_unit_with_a_dynamic_user_runs(machine: Machine) -> None:
    command = ("systemd-run", "--quiet", "--wait", "--pipe", "--property=DynamicUser=yes")
    assert 61184 <= int(machine.run(*command, "id", "-u").stdout) <= 65519


def test_the_journal_is_read_back(machine: Machine) -> None:
    machine.run("logger", "--journald", input="MESSAGE=one two\nPROBE=first\n")
    machine.run("logger", "--journald", input="MESSAGE=three\nPROBE=first\n")
    assert [record["MESSAGE"] for record in machine.journal("PROBE=first")] == ["one two", "three"]
    assert len(machine.wait_for_journal("PROBE=first", count=2)) == 2
    with pytest.raises(TimeoutError, match="0 of 1 records"):
        machine.wait_for_journal("PROBE=second", timeout=0.2)


def test_files_are_written_as_root(machine: Machine) -> None:
    machine.write({"/etc/probe/script": "#!/bin/sh\necho ran\n"}, mode=0o755)
    assert machine.run("/etc/probe/script").stdout == "ran\n"
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/probe/script", "/etc/probe").stdout == (
        "root:root 755\nroot:root 755\n"
    )


def test_nothing_is_left_of_a_machine(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Machine(tree) as machine:
        pid1 = machine.pid
        cgroup = _cgroup(pid1)
        assert list(tmp_path.iterdir())
        child = machine.popen("sh", "-c", "echo up; exec sleep 1000")
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    with child:
        assert child.wait() == -signal.SIGKILL
    assert not Path(f"/proc/{pid1}").exists()
    assert not cgroup.exists()
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_when_the_tests_are_killed(tree: Path, tmp_path: Path) -> None:
    script = (
        "import sys, signal\n"
        "from tests.booted.machine import Machine\n"
        f"with Machine({str(tree)!r}) as machine:\n"
        "    print(machine.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as tests:
        assert tests.stdout is not None
        number = int(tests.stdout.readline())
        cgroup = _cgroup(number)
        pid1 = os.pidfd_open(number)
        tests.kill()
    ended, _, _ = select.select([pid1], [], [], 10)
    os.close(pid1)
    assert ended
    # What is left to remove by then is empty, and soon is.
    deadline = time.monotonic() + 10
    while cgroup.exists() or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline


def test_a_tree_that_is_none_does_not_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not below tmp_path, which may be too long for a socket's path.
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        with pytest.raises(BootError, match="does not boot"), Machine(tmp_path):
            pass
        assert not list(Path(temporary).iterdir())


def _cgroup(pid1: int) -> Path:
    """Return the directory of a machine's cgroup on the host."""
    [mount, *_] = [
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2"
    ]
    [path] = [
        line.removeprefix("0::")
        for line in Path(f"/proc/{pid1}/cgroup").read_text().splitlines()
        if line.startswith("0::")
    ]
    # pid 1 moves itself into a scope of its own.
    cgroup = Path(f"{mount}{path}").parent
    assert cgroup.name.startswith("fdbrokerd-machine-")
    assert cgroup.exists()
    return cgroup
