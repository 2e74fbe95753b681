# SPDX-License-Identifier: MIT
"""The C example: it compiles cleanly as C and as C++, survives any reply, and meets the daemon."""

from __future__ import annotations

import array
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "examples" / "ptyget.c"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
COMPILERS = {
    "c11": ["gcc", "-std=c11", "-Wconversion"],
    "gnu11": ["gcc", "-std=gnu11", "-Wconversion"],
    "c++": ["g++"],
}
PATIENCE = 20.0  # seconds; only ever waited for in full when a test fails
NOBODY = 65534
CALL = {"method": "io.fdbroker.Broker.Get", "parameters": {"resource": "pty"}}

Script = Callable[[socket.socket], None]


def unavailable(reason: str) -> NoReturn:
    """Skip; but where everything must be there, fail."""
    if os.environ.get("FDBROKER_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def build(directory: Path, command: list[str], *extra: str, source: Path = SOURCE) -> Path:
    if shutil.which(command[0]) is None:
        unavailable(f"no {command[0]} here")
    binary = directory / source.stem
    compiled = subprocess.run(
        [*command, *WARNINGS, "-O2", *extra, "-o", str(binary), str(source)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    return binary


@pytest.fixture(scope="module", params=list(COMPILERS))
def ptyget(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the example with each compiler in turn."""
    return build(tmp_path_factory.mktemp("ptyget"), COMPILERS[request.param])


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it with the shortest patience, for where the compiler makes no difference."""
    return build(tmp_path_factory.mktemp("quick"), COMPILERS["gnu11"], "-DTIMEOUT_SECONDS=1")


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


class FakeBroker:
    """A broker for one connection, in a thread: reads the call, then follows its script."""

    def __init__(self, listener: socket.socket, address: str, script: Script) -> None:
        self.address = address
        self.call = b""
        self.failure: Exception | None = None
        self._listener = listener
        self._script = script
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            peer, _ = self._listener.accept()
            with peer:
                peer.settimeout(PATIENCE)
                while not self.call.endswith(b"\0") and (chunk := peer.recv(4096)):
                    self.call += chunk
                if self.call:
                    self._script(peer)
        except (OSError, AssertionError) as failure:
            self.failure = failure

    def __enter__(self) -> Self:
        self._listener.settimeout(PATIENCE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(2 * PATIENCE)
        self._listener.close()
        assert not self._thread.is_alive()


@contextmanager
def fake_broker(script: Script, address: str | None = None) -> Iterator[FakeBroker]:
    """Serve at an address, an abstract one of its own unless told."""
    address = address or f"@fdbrokerd-ptyget-{os.getpid()}-{time.monotonic_ns()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.listen()
        with FakeBroker(listener, address, script) as broker:
            yield broker
    finally:
        listener.close()
    if broker.failure is not None:
        raise broker.failure


def send(peer: socket.socket, data: bytes, *descriptors: int) -> None:
    rights = array.array("i", descriptors)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
    if data:
        assert peer.sendmsg([data], ancillary) == len(data)


def replying(data: bytes, *descriptors: int) -> Script:
    return lambda peer: send(peer, data, *descriptors)


def frame(value: object) -> bytes:
    return json.dumps(value).encode() + b"\0"


def named(*descriptors: tuple[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "fileDescriptor": index} for name, index in descriptors]


def granted(descriptors: object = None, **more: object) -> bytes:
    """Say what a broker says that grants a pty."""
    parameters: dict[str, Any] = {
        "grant": "g-1",
        "resource": "pty",
        "kind": "pty",
        "descriptors": descriptors or named(("master", 0), ("slave", 1)),
        "properties": {"path": "/dev/pts/4711"},  # wrong on purpose: the kernel is to be asked
        "revocable": False,
    }
    return frame({"parameters": parameters | more})


def environment(address: str | None = None) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if key != "FDBROKER_SOCKET"}
    return clean if address is None else clean | {"FDBROKER_SOCKET": address}


def run(*command: str | Path, address: str | None = None) -> tuple[int, str, str]:
    """Run a program that ends by itself: its status, its output, its diagnostics."""
    ended = subprocess.run(
        [str(word) for word in command],
        env=environment(address),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    return ended.returncode, ended.stdout, ended.stderr


class Program:
    """A program whose output is read as it comes."""

    def __init__(self, *command: str | Path, address: str | None = None) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env=environment(address),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._output = b""
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            if self._process.poll() is None:  # with whatever it started
                os.killpg(self.pid, signal.SIGKILL)

    def read_until(self, ending: bytes) -> bytes:
        """Return what was printed since the last call, up to and with the ending."""
        output: IO[bytes] | None = self._process.stdout
        assert output is not None
        deadline = time.monotonic() + PATIENCE
        while ending not in self._output:
            remaining = deadline - time.monotonic()
            readable = select.select([output], [], [], max(remaining, 0))[0]
            assert readable, self._output
            chunk = os.read(output.fileno(), 4096)
            assert chunk, (self._output, self._process.communicate(timeout=PATIENCE)[1])
            self._output += chunk
        head, _, self._output = self._output.partition(ending)
        return head + ending

    def pair(self) -> tuple[int, int, str]:
        """Read the two lines that tell of the pair: master, slave, and the slave's path."""
        first = self.read_until(b"\n").decode()
        second = self.read_until(b"\n").decode()
        master, slave = (int(part.partition("]")[0]) for part in first.split("[")[1:])
        assert first == f"Get a pty pair, FD -- master[{master}] slave[{slave}]\n"
        path = second.removeprefix("Slave name is:").removesuffix("\n")
        assert second == f"Slave name is:{path}\n"
        assert re.fullmatch(r"/dev/pts/[0-9]+", path)
        return master, slave, path

    def end(self) -> tuple[int, bytes, bytes]:
        output, diagnostics = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, self._output + output, diagnostics

    def interrupt(self) -> int:
        self._process.terminate()
        return self._process.wait(PATIENCE)


def write_slave(path: str, data: bytes, *, raw: bool) -> None:
    """Write to a slave as another program would, its output cooked (NL to CR NL) or raw."""
    slave = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if raw:
            tty.setraw(slave)
        else:
            attributes = termios.tcgetattr(slave)
            attributes[1] |= termios.OPOST | termios.ONLCR
            termios.tcsetattr(slave, termios.TCSANOW, attributes)
        assert os.write(slave, data) == len(data)
    finally:
        os.close(slave)


# A broker that behaves


def test_prints_the_pair_and_what_the_slave_says(ptyget: Path, pair: tuple[int, int]) -> None:
    with (
        fake_broker(replying(granted(), *pair)) as broker,
        Program(ptyget, "-n", "4", address=broker.address) as program,
    ):
        master, slave, path = program.pair()
        assert path == os.ttyname(pair[1])
        assert len({0, 1, 2, master, slave}) == 5
        for data, raw, shown in [
            (b"hello\n", False, b"hello\r\n------7 bytes------\n"),
            (b"hello\n", True, b"hello\n------6 bytes------\n"),
            (b"no end", True, b"no end\n------6 bytes------\n"),
            (b"\0\x1b[%s\xff", True, b"\0\x1b[%s\xff\n------6 bytes------\n"),
        ]:
            write_slave(path, data, raw=raw)
            expected = b"Message from slave:\n" + shown
            assert program.read_until(b"bytes------\n") == expected
        assert program.end() == (0, b"", b"")
    assert json.loads(broker.call.removesuffix(b"\0")) == CALL


def test_runs_until_a_signal(quick: Path, pair: tuple[int, int]) -> None:
    with (
        fake_broker(replying(granted(), *pair)) as broker,
        Program(quick, broker.address) as program,
    ):
        program.pair()
        assert program.interrupt() == -signal.SIGTERM


def test_holds_only_the_pair(quick: Path, pair: tuple[int, int]) -> None:
    """What else came with the reply is closed, so is the connection; the pair is close-on-exec."""
    reader, writer = os.pipe()
    descriptors = named(("extra", 0), ("slave", 1), ("master", 2))
    with (
        fake_broker(replying(granted(descriptors), reader, pair[1], pair[0])) as broker,
        Program(quick, broker.address) as program,
    ):
        master, slave, _ = program.pair()
        os.close(reader)
        process = program.pid
        held = {int(number) for number in os.listdir(f"/proc/{process}/fd")}
        assert held == {0, 1, 2, master, slave}
        for number in (master, slave):
            info = Path(f"/proc/{process}/fdinfo/{number}").read_text()
            flags = next(line.split()[1] for line in info.splitlines() if "flags" in line)
            assert int(flags, 8) & os.O_CLOEXEC
        with pytest.raises(BrokenPipeError):
            os.write(writer, b"nobody reads")
    os.close(writer)


def test_finds_a_broker_by_path_argument_and_environment(
    quick: Path, tmp_path: Path, pair: tuple[int, int]
) -> None:
    path = str(tmp_path / "io.fdbroker")
    write_slave(os.ttyname(pair[1]), b"waiting", raw=True)
    with fake_broker(replying(granted(), *pair), path):
        status, output, _ = run(quick, "-n", "1", path, address="@not-this-one")
    assert status == 0
    assert output.endswith("\nMessage from slave:\nwaiting\n------7 bytes------\n")


def test_the_longest_names(quick: Path) -> None:
    """sun_path has 108 bytes: an abstract name fills them all, a path leaves one for its NUL."""
    longest = f"@{os.getpid()}-".ljust(108, "x")
    with fake_broker(replying(frame({"error": "io.fdbroker.Broker.Denied"})), longest):
        assert run(quick, longest)[0] == 77
    for address in (longest + "x", "/" * 108, "@"):
        status, _, diagnostics = run(quick, address)
        assert (status, "an address is @NAME or a path" in diagnostics) == (64, True)
    assert run(quick, "/" * 107)[0] == 69


@pytest.mark.parametrize(
    "order",
    [("both", "none", "none"), ("master", "slave", "none"), ("none", "master", "slave")],
    ids="-".join,
)
def test_a_reply_in_pieces(ptyget: Path, pair: tuple[int, int], order: tuple[str, ...]) -> None:
    """A receive stops behind bytes with descriptors: these are pieces for certain, not by luck."""
    parts: dict[str, tuple[int, ...]] = {
        "both": pair,
        "master": pair[:1],
        "slave": pair[1:],
        "none": (),
    }
    whole = granted()
    pieces = [whole[:1], whole[1:40], whole[40:]]

    def script(peer: socket.socket) -> None:
        for piece, which in zip(pieces, order, strict=True):
            send(peer, piece, *parts[which])

    with fake_broker(script) as broker, Program(ptyget, broker.address) as program:
        assert program.pair()[2] == os.ttyname(pair[1])


OTHER_SPELLINGS = {
    "escapes": granted()
    .replace(b'"master"', rb'"m\u0061st\u0065r"')
    .replace(b'"parameters"', rb'"\u0070arameters"'),
    "white space": json.dumps(json.loads(granted()[:-1]), indent=4).encode() + b" \r\n\t\0",
    "no white space": json.dumps(json.loads(granted()[:-1]), separators=(",", ":")).encode()
    + b"\0",
    "another order": granted(list(reversed(named(("master", 0), ("slave", 1))))),
    "decoys": granted(
        None,
        aaa='"descriptors":[{"name":"master","fileDescriptor":9}] \\" } ] é \U0001f512',
        properties={"descriptors": "[]", "error": "x", "n": [1, -0.5e-7, 0, True, None, {}, []]},
    ),
    "duplicate keys": granted().replace(b'"name": "master"', b'"name": "slave", "name": "master"'),
}


@pytest.mark.parametrize("reply", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
def test_reads_json_not_text(ptyget: Path, pair: tuple[int, int], reply: bytes) -> None:
    with (
        fake_broker(replying(reply, *pair)) as broker,
        Program(ptyget, broker.address) as program,
    ):
        assert program.pair()[2] == os.ttyname(pair[1])


# A broker that says no


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("io.fdbroker.Broker.Denied", 77),
        ("io.fdbroker.Broker.Busy", 75),
        ("io.fdbroker.Broker.LimitReached", 75),
        ("io.fdbroker.Broker.Unavailable", 75),
        ("io.fdbroker.Broker.TimedOut", 75),
        ("io.fdbroker.Broker.InvalidArgument", 64),
        ("io.fdbroker.Broker.NoSuchItem", 66),
        ("io.fdbroker.Broker.OpenFailed", 71),
        ("io.fdbroker.Broker.DescriptorsMissing", 65),
        ("org.varlink.service.MethodNotFound", 65),
        ("org.example.Denied", 65),
    ],
)
def test_errors_have_their_status(quick: Path, error: str, status: int) -> None:
    with fake_broker(replying(frame({"error": error, "parameters": {}}))) as broker:
        assert run(quick, broker.address) == (status, "", f"ptyget: {error}\n")


def test_a_denial_shows_the_hint(ptyget: Path) -> None:
    parameters = {"resource": "pty", "hint": 'Ask "ops"\\\nfirst.', "request": "r-17"}
    reply = frame({"error": "io.fdbroker.Broker.Denied", "parameters": parameters})
    with fake_broker(replying(reply)) as broker:
        assert run(ptyget, broker.address) == (
            77,
            "",
            "ptyget: io.fdbroker.Broker.Denied\n"
            'ptyget: hint: Ask "ops"\\\nfirst.\n'
            "ptyget: request: r-17\n",
        )


# A broker that talks nonsense, or is none

NOT_JSON = {
    "nothing": b"\0",
    "no JSON": b"hello\0",
    "an array": b"[]\0",
    "half an object": b'{"parameters":{\0',
    "a trailing comma": b'{"parameters":{},}\0',
    "text behind": b"{} {}\0",
    "two colons": b'{"a"::1}\0',
    "a bare key": b"{a:1}\0",
    "a bad escape": rb'{"a":"\x41"}' + b"\0",
    "a short escape": rb'{"a":"\u12"}' + b"\0",
    "an escape at the end": b'{"a":"\\\0',
    "an escaped NUL": rb'{"a":"master\u0000"}' + b"\0",
    "a control character": b'{"a":"\n"}\0',
    "a leading zero": b'{"a":01}\0',
    "a lone minus": b'{"a":-}\0',
    "a bare point": b'{"a":1.}\0',
    "a bare exponent": b'{"a":1e}\0',
    "a wrong word": b'{"a":nul}\0',
    "depth": b'{"a":' + b"[" * 30000 + b"]" * 30000 + b"}\0",
}


@pytest.mark.parametrize("reply", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_refuses_what_is_not_json(quick: Path, pair: tuple[int, int], reply: bytes) -> None:
    with fake_broker(replying(reply, *pair)) as broker:
        expected = (65, "", "ptyget: the reply is not a JSON object\n")
        assert run(quick, broker.address) == expected


NO_PAIR = {
    "no such member": (b"{}\0", "the reply has no proper list of descriptors"),
    "no array": (granted({"a": 1}), "the reply has no proper list of descriptors"),
    "numbers": (granted([0, 1]), "the reply has no proper list of descriptors"),
    "no names": (
        granted([{"fileDescriptor": 0}] * 2),
        "the reply has no proper list of descriptors",
    ),
    "error of no type": (b'{"error":7}\0', "the reply's error is not a string"),
    "one too many": (
        granted(named(("master", 0), ("slave", 1), ("x", 2))),
        "expected 3 descriptors, received 2",
    ),
    "one too few": (granted(named(("master", 0))), "expected 1 descriptors, received 2"),
    **{
        name: (granted(wrong), "the reply names no master and slave among 2 descriptors")
        for name, wrong in {
            "out of range": named(("master", 0), ("slave", 2)),
            "huge": named(("master", 0), ("slave", 2**64 + 1)),
            "negative": named(("master", 0), ("slave", -1)),
            "a fraction": named(("master", 0), ("slave", 1.0)),
            "a string": named(("master", 0), ("slave", "1")),
            "the same": named(("master", 1), ("slave", 1)),
            "other names": named(("master", 0), ("slaves", 1)),
            "a long name": named(("master", 0), ("slave" + "x" * 5000, 1)),
        }.items()
    },
}


@pytest.mark.parametrize(("reply", "diagnostics"), NO_PAIR.values(), ids=NO_PAIR.keys())
def test_refuses_what_names_no_pair(
    ptyget: Path, pair: tuple[int, int], reply: bytes, diagnostics: str
) -> None:
    with fake_broker(replying(reply, *pair)) as broker:
        assert run(ptyget, broker.address) == (65, "", f"ptyget: {diagnostics}\n")


def test_refuses_descriptors_of_another_type(quick: Path, pair: tuple[int, int]) -> None:
    """A slave is no master; and a socket no slave, while a master would do for isatty()."""
    master, slave = pair
    scripts: dict[str, Script] = {
        "master": replying(granted(), slave, slave),
        "slave": lambda peer: send(peer, granted(), master, peer.fileno()),
    }
    for wrong, script in scripts.items():
        with fake_broker(script) as broker:
            status, output, diagnostics = run(quick, broker.address)
        assert (status, output) == (65, "")
        assert diagnostics.startswith(f"ptyget: the descriptor named {wrong} is none: ")


@pytest.mark.parametrize(
    ("reply", "status", "diagnostics"),
    [
        (b"", 69, "the broker hung up without a reply"),
        (granted()[:-1], 65, "the broker hung up in the middle of its reply"),
        (granted() + granted(), 65, "the broker sent more than one reply"),
        (b'{"a":"' + b"x" * 65530, 65, "the reply is longer than 65536 bytes"),
    ],
    ids=["end", "half", "two", "endless"],
)
def test_refuses_no_reply_and_too_much_of_it(
    quick: Path, reply: bytes, status: int, diagnostics: str
) -> None:
    with fake_broker(replying(reply)) as broker:
        assert run(quick, broker.address) == (status, "", f"ptyget: {diagnostics}\n")


def test_gives_up_on_silence(quick: Path) -> None:
    with fake_broker(assert_hung_up) as broker:
        expected = (75, "", "ptyget: the broker did not answer within 1 s\n")
        assert run(quick, broker.address) == expected


def assert_hung_up(peer: socket.socket) -> None:
    assert peer.recv(1) == b""


@pytest.mark.parametrize(("limit", "received"), [(6, 2), (5, 1), (4, 0)])
def test_names_both_numbers_when_descriptors_are_cut_off(
    ptyget: Path, pair: tuple[int, int], limit: int, received: int
) -> None:
    """With 0 to 2 and the connection open, a limit of 5 leaves room for one descriptor."""
    limited = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", str(ptyget), "-n", "1"]
    write_slave(os.ttyname(pair[1]), b"waiting", raw=True)
    with fake_broker(replying(granted(), *pair)) as broker:
        status, output, diagnostics = run(*limited, broker.address)
    if received == 2:
        assert (status, diagnostics) == (0, "")
        return
    assert (status, output) == (65, "")
    assert diagnostics == (
        f"ptyget: expected 2 descriptors, received {received}"
        " (limit of open files, ulimit -n; or a security module)\n"
    )


def test_refuses_more_descriptors_than_a_message_holds(quick: Path, pair: tuple[int, int]) -> None:
    """Piece by piece a server could send without end: all but 253 are closed; it is an error."""

    def script(peer: socket.socket) -> None:
        send(peer, b" ", *([pair[0]] * 253))
        send(peer, granted(), *pair)

    with fake_broker(script) as broker:
        status, _, diagnostics = run(quick, broker.address)
    assert status == 65
    assert diagnostics.startswith("ptyget: expected 2 descriptors, received 253 ")


SERVER_OF_ANOTHER_UID = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
    listener.bind("\\0" + sys.argv[1][1:])
    listener.listen()
    listener.settimeout(20)
    print("listening", flush=True)
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(20)
        print(len(peer.recv(4096)), "bytes", flush=True)
"""


def test_sends_nothing_to_a_server_of_another_uid(ptyget: Path) -> None:
    if os.geteuid() != 0:
        unavailable("only root can run a server under another uid")
    if shutil.which("setpriv") is None:
        unavailable("no setpriv here")
    address = f"@fdbrokerd-impostor-{os.getpid()}"
    # The interpreter beneath the virtual environment, which other users may be unable to enter.
    python = getattr(sys, "_base_executable", sys.executable)
    with Program(
        *["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"],
        *[python, "-I", "-S", "-c", SERVER_OF_ANOTHER_UID, address],
    ) as server:
        server.read_until(b"listening\n")
        status, output, diagnostics = run(ptyget, address)
        assert server.end() == (0, b"0 bytes\n", b"")
    assert (status, output) == (69, "")
    assert diagnostics == (
        "ptyget: refusing the broker: it runs as uid 65534, not as root or uid 0\n"
    )


def test_trusts_a_server_that_runs_as_root(quick: Path) -> None:
    if os.geteuid() != 0:
        unavailable("only root can be a server that runs as root")
    quick.chmod(0o755)
    program = os.open(quick, os.O_PATH | os.O_CLOEXEC)  # other users cannot enter its directory
    try:
        reply = frame({"error": "io.fdbroker.Broker.Denied"})
        with fake_broker(replying(reply)) as broker:
            ended = subprocess.run(
                [f"/proc/self/fd/{program}", broker.address],
                pass_fds=[program],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                capture_output=True,
                check=False,
                timeout=PATIENCE,
            )
    finally:
        os.close(program)
    assert ended.returncode == 77


def test_nobody_there(ptyget: Path, tmp_path: Path) -> None:
    address = str(tmp_path / "nothing")
    expected = f"ptyget: cannot reach the broker at {address}: No such file or directory\n"
    assert run(ptyget, address=address) == (69, "", expected)


@pytest.mark.parametrize(
    "arguments", [["-x"], ["-n"], ["-n", "0"], ["-n", "1x"], ["-n", ""], ["@a", "@b"]]
)
def test_usage(quick: Path, arguments: list[str]) -> None:
    status, output, diagnostics = run(quick, *arguments)
    assert (status, output) == (64, "")
    assert diagnostics.startswith(("ptyget: ", f"{quick}: "))


# The daemon


def test_against_the_daemon(ptyget: Path) -> None:
    """The main job: a private broker with its built-in rules, and the example against it."""
    broker = [sys.executable, "-m", "fdbrokerd.cli.daemon", "--run", "--"]
    with Program(*broker, ptyget, "-n", "2") as program:
        _, _, path = program.pair()
        write_slave(path, b"hello from a slave\n", raw=False)
        assert program.read_until(b"bytes------\n") == (
            b"Message from slave:\nhello from a slave\r\n------20 bytes------\n"
        )
        write_slave(path, b"and once more\n", raw=True)
        assert program.read_until(b"bytes------\n") == (
            b"Message from slave:\nand once more\n------14 bytes------\n"
        )
        status, output, _ = program.end()
        assert (status, output) == (0, b"")
