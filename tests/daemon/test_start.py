# SPDX-License-Identifier: MIT
"""What keeps the daemon from starting, said so that a person can do something about it."""

import os
import sys
from pathlib import Path

import pytest

from .broker import COMMANDS, Files, running
from .programs import run, run_forked
from .wire import Wire

USAGE = {
    "unknown option": (["--nonsense"], "unrecognized arguments: --nonsense"),
    "abbreviation": (["--daemon"], "unrecognized arguments: --daemon"),
    "operand": (["file.yaml"], "unexpected argument: file.yaml"),
    "value is missing": (["--config"], "argument --config: expected one argument"),
    "run without a command": (["--run"], "--run needs a command: fdbrokerd --run -- CMD"),
    "run with settings": (
        ["--run", "--config", "x", "--", "true"],
        "--run takes its own rules and stays in the foreground",
    ),
    "pid file alone": (["--pid-file", "/tmp/x"], "--pid-file goes with --daemonize"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE)
def test_usage(arguments: list[str], message: str) -> None:
    done = run_forked(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"fdbrokerd: {message}\n")
    assert "Traceback" not in done.stderr


def test_daemonize_under_a_service_manager(files: Files) -> None:
    done = run_forked("--daemonize", "--config", str(files.settings), NOTIFY_SOCKET="@nobody")
    assert done.returncode == 64
    assert "leave out --daemonize" in done.stderr


def test_help_and_version() -> None:
    assert run_forked("--help").returncode == 0
    assert run_forked("--version").stdout.startswith("fdbrokerd ")


def test_as_a_program(files: Files) -> None:
    assert run("--nonsense").returncode == 64
    files.write_rules("rules: 1\n")
    done = run("--config", str(files.settings))
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"fdbrokerd: {files.rules}:2:8: ")


BAD_SETTINGS = {
    "unknown key": ("nonsense: 1", ":{line}:1: ", "nonsense"),
    "wrong type": ("limits: 3", ":{line}:9: ", "limits"),
    "not YAML": ("limits: }", ":{line}:9: ", "not YAML"),
    "out of range": ("limits: {reply-seconds: 61}", ":{line}:25: ", "61"),
    "no rules there": ('listen: [{address: "@x", resources: none}]', ":{line}:", "none"),
}


@pytest.mark.parametrize(("text", "where", "what"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings(tmp_path: Path, text: str, where: str, what: str) -> None:
    files = Files(tmp_path)
    kept = [line for line in files.settings.read_text().splitlines() if "listen" not in line]
    files.settings.write_text("\n".join([*kept, text, ""]))
    done = run_forked("--config", str(files.settings))
    assert (done.returncode, done.stdout) == (78, "")
    place = f"fdbrokerd: {files.settings}{where.format(line=len(kept) + 1)}"
    assert done.stderr.startswith(place)
    assert what in done.stderr
    assert not os.path.exists(files.path)


def test_first_mistake_in_the_rules(tmp_path: Path) -> None:
    files = Files(tmp_path, "resources:\n  a: {kind: nonsense}\n  b: {kind: pty, x: 1}\n")
    done = run_forked("--config", str(files.settings))
    assert done.returncode == 78
    assert done.stderr.startswith(f"fdbrokerd: {files.rules}:3:13: ")


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda files: files.settings.unlink(), 78),
        (lambda files: files.settings.chmod(0o666), 78),
        (lambda files: os.chown(files.settings, 1000, 1000), 78),
        (lambda files: files.rules.chmod(0o662), 78),
        (lambda files: files.rules.parent.chmod(0o777), 78),
        (lambda files: files.audit.mkdir(), 71),
        (lambda files: files.audit.symlink_to("/dev/null"), 71),
    ],
    ids=["missing", "writable", "of another", "rules", "directory", "audit", "audit link"],
)
def test_files_that_are_not_to_be_believed(files: Files, spoil: object, status: int) -> None:
    assert callable(spoil)
    spoil(files)
    done = run_forked("--config", str(files.settings))
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(
        f"fdbrokerd: {files.directory}" if status == 78 else "fdbrokerd: cannot append to "
    )
    assert len(done.stderr.splitlines()) == 1


def test_without_openat2(files: Files) -> None:
    command = [sys.executable, "-m", "tests.daemon.filtered", "openat2=ENOSYS"]
    done = run("--config", str(files.settings), command=command)
    assert (done.returncode, done.stdout) == (71, "")
    assert done.stderr.startswith("fdbrokerd: openat2(2) does not work here (Function not impl")
    assert "RestrictSUIDSGID=yes" in done.stderr
    assert not os.path.exists(files.path)


def test_without_the_environment_of_a_shell(files: Files) -> None:
    """The program of a virtual environment needs no activation, no HOME and no PATH."""
    program = Path(sys.executable).with_name("fdbrokerd")
    if not program.exists():
        program = files.directory / "fdbrokerd"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nfrom fdbrokerd.cli.daemon import main\n"
            "sys.exit(main())\n"
        )
        program.chmod(0o755)
    command = ["/usr/bin/env", "-u", "PATH", "-u", "HOME", "-u", "VIRTUAL_ENV", str(program)]
    with running(files, command) as broker, Wire(broker.address) as wire:
        assert wire.call("Get", resource="pty").error == ""


def test_relative_settings(files: Files) -> None:
    """The file is found from where it was named, also by a reload."""
    command = ["/usr/bin/env", "-C", str(files.directory), *COMMANDS["uvloop"]]
    files.settings = Path(files.settings.name)
    with running(files, command) as broker, Wire(broker.address) as wire:
        assert wire.call("io.fdbroker.Manager.Reload").error == ""


def test_closed_standard_streams_are_filled(tmp_path: Path) -> None:
    """Otherwise the listener would be 0, and the children keep it open."""
    command = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMANDS["uvloop"])
    with running(Files(tmp_path, ""), command) as broker:
        for number in range(3):
            assert os.readlink(f"/proc/{broker.pid}/fd/{number}") == os.devnull
