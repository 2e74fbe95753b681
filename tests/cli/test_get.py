# SPDX-License-Identifier: MIT
"""fdbroker-get as people and scripts use it: files, placements, exit statuses, texts."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from tests.cli.brokers import GET, PATIENCE, ROOT, environment, get, running_broker
from tests.client.scripted import Scripted, error, granted, reply, says, scripted, send, take_call

RULES = """
fdbroker: 1
resources:
  pty: {{kind: pty}}
  note:
    kind: file
    arguments: {{what: {{enum: [note, other], default: note}}}}
    root: {directory}
    path: "${{what}}"
    access: read
  log: {{kind: file, path: {directory}/log, access: append, create: {{mode: "0600"}}}}
  out: {{kind: file, path: {directory}/out, access: write, create: {{mode: "0600"}}}}
  gone: {{kind: file, path: {directory}/gone, access: read}}
  secret: {{kind: file, path: {directory}/note, access: read}}
rules:
  - {{id: all, allow: [pty, note, log, out, gone], peer: {{uid: {uid}}}}}
  - {{id: hinted, deny: secret, peer: {{uid: {uid}}}, hint: "Ask ops."}}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("get")
    (directory / "note").write_text("hello\n")
    return directory


@pytest.fixture(scope="module")
def address(directory: Path) -> Iterator[str]:
    with running_broker(directory, RULES.format(directory=directory, uid=os.geteuid())) as where:
        yield where


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# Files without a command


def test_a_readable_file_is_copied(address: str) -> None:
    assert succeeded(get(address, "note", "what=note")) == "hello\n"


def test_an_append_file_is_fed(address: str, directory: Path) -> None:
    for text in ("one\n", "two\n"):
        assert succeeded(get(address, "log", text=text)) == ""
    assert (directory / "log").read_text() == "one\ntwo\n"


def test_a_written_file_is_emptied_first(address: str, directory: Path) -> None:
    (directory / "out").write_text("something longer\n")
    assert succeeded(get(address, "out", text="short\n")) == ""
    assert (directory / "out").read_text() == "short\n"


def test_much_through_a_pipe_that_does_not_wait(address: str, directory: Path) -> None:
    data = os.urandom(1024 * 1024)
    (directory / "other").write_bytes(data)
    with subprocess.Popen(
        [*GET, "note", "what=other"], env=environment(address), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        flags = fcntl.fcntl(process.stdout, fcntl.F_GETFL)
        os.set_blocking(process.stdout.fileno(), True)
        assert process.stdout.read() == data
        assert fcntl.fcntl(process.stdout, fcntl.F_GETFL) == flags
    assert process.returncode == 0


def test_a_broken_pipe_is_quiet(address: str, directory: Path) -> None:
    (directory / "other").write_bytes(bytes(1024 * 1024))
    with subprocess.Popen(
        [*GET, "note", "what=other"],
        env=environment(address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


# Placement


def test_the_lowest_numbers_by_default(address: str) -> None:
    script = 'cat <&3; echo "$FDBROKER_FDS $FDBROKER_FDNAMES ${LISTEN_FDS-none}"'
    said = succeeded(get(address, "note", "--", "sh", "-c", script, LISTEN_FDS="1"))
    assert said == "hello\n3 note none\n"


def test_one_number_in_all_ways(address: str) -> None:
    script = 'cat <&9; echo "$0 $FD $FDBROKER_FDS"'
    arguments = ["--fd", "9", "-I", "{}", "--env", "FD", "--", "sh", "-c", script, "fd={}"]
    assert succeeded(get(address, "note", *arguments)) == "hello\nfd=9 9 9\n"


def test_standard_input(address: str) -> None:
    assert succeeded(get(address, "note", "--stdin", "--", "cat")) == "hello\n"


def test_a_number_that_is_only_told(address: str) -> None:
    said = succeeded(get(address, "note", "--env", "FD", "--", "sh", "-c", "cat <&$FD; echo $FD"))
    assert said == "hello\n3\n"


def test_both_ends_of_a_pty_in_a_row(address: str) -> None:
    script = 'test -t 7 && test -t 8 && echo "$FDBROKER_FDS $FDBROKER_FDNAMES" && tty <&8'
    said = succeeded(get(address, "pty", "--fd", "7", "--", "sh", "-c", script)).split()
    assert said[:2] == ["7:8", "master:slave"]
    assert said[2].startswith("/dev/pts/")


def test_one_end_of_a_pty(address: str) -> None:
    script = 'test -e /proc/self/fd/7 && ! test -e /proc/self/fd/8 && echo "$FDBROKER_FDNAMES"'
    said = succeeded(get(address, "pty", "--fd", "7:slave", "--", "sh", "-c", script))
    assert said == "slave\n"


def test_the_slave_is_what_a_command_wants(address: str) -> None:
    script = 'tty; echo "${FDBROKER_FDS-none}" >&2'
    arguments = ["pty", "--stdin", "--fd", "5:master", "--", "sh", "-c", script]
    done = get(address, *arguments)
    assert done.stdout.startswith("/dev/pts/")
    assert done.stderr == "5\n"


def test_several_at_once(address: str) -> None:
    script = 'cat <&5; cat <&$NOTE; cat; echo "$FDBROKER_FDS"'
    arguments = ["-r", "5=note,what=note", "-r", "NOTE=note", "-r", "stdin=note", "--"]
    said = succeeded(get(address, *arguments, "sh", "-c", script))
    assert said == "hello\nhello\nhello\n3:5\n"


def test_several_are_all_or_nothing(address: str) -> None:
    done = get(address, "-r", "5=note", "-r", "6=secret", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (77, "")


@contextmanager
def inherited(*numbers: int) -> Iterator[tuple[int, ...]]:
    """Have something open at numbers, for a program to inherit."""
    with open("/dev/zero") as zero:
        kept = [number for number in numbers if _is_open(number)]
        assert not kept, "taken in this process"
        for number in numbers:
            os.dup2(zero.fileno(), number)
        try:
            yield numbers
        finally:
            for number in numbers:
                os.close(number)


def _is_open(number: int) -> bool:
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def test_a_number_in_use_is_refused(address: str) -> None:
    with inherited(70) as (number,):
        done = get(address, "note", "--fd", "70", "--", "true", number=number)
        assert done.returncode == 64
        assert "the number 70 is open already; --force replaces it" in done.stderr
        arguments = ["--force", "--fd", "70", "--", "sh", "-c", "cat /proc/self/fd/70"]
        assert succeeded(get(address, "note", *arguments, number=number)) == "hello\n"


def test_two_for_one_number(address: str) -> None:
    done = get(address, "-r", "5=note", "-r", "5=log", "--", "true")
    assert (done.returncode, "two descriptors for the number 5" in done.stderr) == (64, True)


def test_moves_do_not_overwrite_each_other(address: str) -> None:
    """The client's own numbers are low, so these places are taken by what is to be moved."""
    places = ["--fd", "4:master", "--fd", "3:slave", "--env", "M=master", "--env", "S=slave"]
    script = 'tty <&3; echo "$M $S"; ls /proc/self/fd | tr "\\n" " "'
    path, told, numbers = succeeded(
        get(address, "pty", *places, "--", "sh", "-c", script)
    ).splitlines()
    assert path.startswith("/dev/pts/")
    assert told == "4 3"
    assert numbers.split() == ["0", "1", "2", "3", "4", "5"]  # ls has the directory at 5


def test_a_name_that_is_not_there(address: str) -> None:
    done = get(address, "pty", "--fd", "5:tap", "--", "true")
    assert (done.returncode, "no descriptor 'tap': master, slave" in done.stderr) == (64, True)


def test_one_of_several_must_be_named(address: str) -> None:
    done = get(address, "pty", "--env", "FD", "--", "true")
    assert (done.returncode, "has several descriptors" in done.stderr) == (64, True)


def test_closed_standard_streams_stay_closed(address: str) -> None:
    script = 'exec "$@" <&- 2>&-'
    command = ["sh", "-c", script, "sh", *GET, "note", "--fd", "5", "--", "ls", "/proc/self/fd"]
    done = subprocess.run(
        command, env=environment(address), capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["0", "1", "5"]  # ls opens the directory at 0


def listening(broker: Scripted, connection: socket.socket) -> None:
    """Grant a listening socket."""
    with socket.socket() as listener:
        listener.listen()
        take_call(broker, connection)
        send(connection, granted(0), [listener.fileno()])


LISTEN = (
    'echo "$LISTEN_FDS $LISTEN_FDNAMES $FDBROKER_FDS"; [ "$LISTEN_PID" = $$ ] && echo pid;'
    f"exec {sys.executable} -c '"
    "import os; n = os.pidfd_open(os.getpid());"
    'print(os.environ.get("LISTEN_PIDFDID") in {None, str(os.fstat(n).st_ino)})\''
)


@pytest.mark.parametrize(
    ("script", "places", "said"),
    [
        (listening, [], "1 thing 3"),
        (says((granted(0), 1)), ["--listen"], "1 thing 3"),
    ],
    ids=["listening", "told"],
)
def test_listen_fds(
    script: Callable[[Scripted, socket.socket], None], places: list[str], said: str
) -> None:
    with scripted(script) as broker, OwnedFd(high(broker)) as number:
        command = ["thing", *places, "--", "sh", "-c", LISTEN]
        done = get(f"fd:{number.fileno()}", *command, number=number.fileno())
    assert succeeded(done).splitlines() == [said, "pid", "True"]


def high(broker: Scripted) -> int:
    """Return a copy of a scripted broker's number that is in nobody's way."""
    return fcntl.fcntl(int(broker.address.removeprefix("fd:")), fcntl.F_DUPFD_CLOEXEC, 100)


# Exit statuses and texts


def test_a_denial_says_who_and_whom_to_ask(address: str) -> None:
    done = get(address, "secret")
    assert (done.returncode, done.stdout) == (77, "")
    first, second, *rest = done.stderr.splitlines()
    assert first == "fdbroker-get: denied: secret: no rule allows this"
    assert second.startswith(f"  you are: uid {os.geteuid()} (")
    assert rest[0] == "  hint from the administrator: Ask ops."
    assert rest[1].startswith("  request ")
    assert rest[2].startswith("  fdbrokerctl explain --request ")


def test_an_unknown_resource_looks_as_a_refused_one(address: str) -> None:
    done = get(address, "no-such-thing")
    assert done.returncode == 77
    assert "denied: no-such-thing: no rule allows this" in done.stderr


STATUSES = {
    "invalid argument": (["note", "what=no"], 64),
    "unknown argument": (["note", "whom=no"], 64),
    "open failed": (["gone"], 71),
    "denied": (["secret"], 77),
    "not found": (["note", "--", "fdbroker-no-such-program"], 127),
    "cannot run": (["note", "--", "/etc/passwd"], 126),
    "the command's": (["note", "--", "sh", "-c", "exit 3"], 3),
    "unreachable": (["--socket", "@fdbroker-nobody-here", "note"], 69),
    "no address": (["--socket", "nowhere", "note"], 64),
    "usage": (["--nope"], 64),
}


@pytest.mark.parametrize(("words", "status"), STATUSES.values(), ids=STATUSES.keys())
def test_exit_status(address: str, words: list[str], status: int) -> None:
    done = get(address, *words)
    assert done.returncode == status
    assert bool(done.stderr) == (status != 3)
    assert done.stdout == ""


def test_quiet_but_for_usage(address: str) -> None:
    assert get(address, "-q", "secret").stderr == ""
    assert get(address, "-q", "--nope").stderr != ""
    assert get(address, "-q", "note", "what=note", "x").stderr != ""


def test_the_callers_own_exit_status(address: str) -> None:
    assert get(address, "-E", "9", "secret").returncode == 9
    assert get(address, "-E", "9", "note", "--", "sh", "-c", "exit 70").returncode == 70
    assert get(address, "-E", "9", "note", "--", "fdbroker-no-such-program").returncode == 127


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (error("io.fdbroker.Broker.Busy", resource="thing"), 75),
        (error("io.fdbroker.Broker.LimitReached", limit="held"), 75),
        (error("io.fdbroker.Broker.Unavailable", resource="thing"), 75),
        (error("io.fdbroker.Broker.TimedOut", resource="thing"), 75),
        (error("org.example.Unknown"), 65),
        (b"nonsense\0", 65),
        (granted(0, 1), 65),
        (b"", 75),
    ],
)
def test_exit_status_of_what_a_broker_says(said: bytes, status: int) -> None:
    with scripted(says(*([said] if said else []))) as broker, OwnedFd(high(broker)) as number:
        done = get(
            f"fd:{number.fileno()}",
            "thing",
            "--timeout",
            "20" if said else "0.3",
            number=number.fileno(),
        )
    assert done.returncode == status


def test_texts_of_the_broker_do_not_reach_the_terminal_as_they_are() -> None:
    said = error("io.fdbroker.Broker.InvalidArgument", argument="a\x1b[2J", reason="\u202ex\x9b")
    with scripted(says(said)) as broker, OwnedFd(high(broker)) as number:
        done = get(f"fd:{number.fileno()}", "thing", number=number.fileno())
    assert done.stderr == "fdbroker-get: argument a\\x1b[2J: \\u202ex\\x9b\n"


def test_json(address: str) -> None:
    said = json.loads(succeeded(get(address, "--json", "pty")))
    assert [one["name"] for one in said["descriptors"]] == ["master", "slave"]
    assert said["properties"]["path"].startswith("/dev/pts/")


def test_other_kinds_need_a_command() -> None:
    what = reply(
        {
            "grant": "",
            "resource": "thing",
            "kind": "tuntap",
            "descriptors": [{"name": "tap", "fileDescriptor": 0}],
            "properties": {},
            "revocable": False,
        }
    )
    with scripted(says((what, 1))) as broker, OwnedFd(high(broker)) as number:
        done = get(f"fd:{number.fileno()}", "thing", number=number.fileno())
    assert (done.returncode, "a tuntap needs a command" in done.stderr) == (64, True)


def test_help_and_version(address: str) -> None:
    assert succeeded(get(address, "--help")).startswith("Usage: fdbroker-get")
    assert succeeded(get(address, "--version")).startswith("fdbroker-get 0.")


def test_the_command_has_default_signals(address: str) -> None:
    script = "grep SigIgn /proc/self/status"
    ignored = succeeded(get(address, "note", "--", "sh", "-c", script)).split()[1]
    assert not int(ignored, 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


HEAVY = {"argparse", "asyncio", "contextlib", "ctypes", "dataclasses", "logging", "msgspec"}
HEAVY |= {"fdbrokerd.errors.replies", "json", "os", "re", "struct", "subprocess", "termios"}
HEAVY |= {"threading", "typing", "yaml"}


def test_the_plain_way_is_light(address: str) -> None:
    """Run as the program is run, up to the exec; then look at what was imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[1:] = ['note', '--', 'true']\n"
        "from fdbrokerd.cli import command, get\n"
        "def become(*_):\n  print(*sys.modules); sys.exit(0)\n"
        "command.become = become\nget.main()\n"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", code],
        env=environment(address),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert HEAVY & set(succeeded(done).split()) == set()
