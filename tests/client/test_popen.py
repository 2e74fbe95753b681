# SPDX-License-Identifier: MIT
"""Starting a program with descriptors at given numbers."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdbrokerd import UsageError, popen
from fdbrokerd.fd import OwnedFd

SHOW = (
    "import os\n"
    "for number in sorted(int(name) for name in os.listdir('/proc/self/fd')):\n"
    "    try: print(number, os.path.basename(os.readlink(f'/proc/self/fd/{number}')))\n"
    "    except OSError: pass\n"
)

Open = Callable[[str, int], OwnedFd]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open a new file at exactly that number, or at the next free one."""
    kept: list[OwnedFd] = []

    def opened(name: str, lowest: int) -> OwnedFd:
        import fcntl  # noqa: PLC0415

        with open(tmp_path / name, "w") as file:
            kept.append(OwnedFd(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, lowest)))
        return kept[-1]

    yield opened
    for one in kept:
        one.close()


def shown(descriptors: dict[int, OwnedFd], **options: object) -> dict[int, str]:
    """Return what a program has from 3 on."""
    command = [sys.executable, "-I", "-S", "-c", SHOW]
    with popen(
        command, descriptors, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **options
    ) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    lines = (line.split(" ", 1) for line in out.splitlines())
    return {int(number): what for number, what in lines if int(number) >= 3}


def test_swapped_and_in_a_ring(opened: Open) -> None:
    three = {number: opened(f"f{number}", number) for number in (60, 61, 62)}
    assert [one.fileno() for one in three.values()] == [60, 61, 62]
    assert shown({60: three[61], 61: three[60]}) == {60: "f61", 61: "f60"}
    assert shown({60: three[61], 61: three[62], 62: three[60]}) == {
        60: "f61",
        61: "f62",
        62: "f60",
    }


def test_where_it_is_already(opened: Open) -> None:
    one = opened("one", 60)
    assert shown({60: one}) == {60: "one"}
    assert not os.get_inheritable(60)


def test_one_descriptor_at_several_numbers(opened: Open) -> None:
    one = opened("one", 60)
    assert shown({3: one, 4: one, 60: one, 200: one}) == dict.fromkeys((3, 4, 60, 200), "one")


@pytest.mark.parametrize("first", range(3, 40))
def test_free_numbers_that_subprocess_would_get(opened: Open, first: int) -> None:
    """Its pipe for errors among them: a program that cannot be run is still said."""
    one = opened("one", 100)
    wanted = dict.fromkeys(range(first, first + 4), one)
    assert shown(wanted) == dict.fromkeys(wanted, "one")
    with pytest.raises(FileNotFoundError):
        popen(["/fdbroker-no-such-program"], wanted)


def test_standard_streams(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")
    with (
        open(tmp_path / "in") as source,
        open(tmp_path / "out", "w") as out,
        open(tmp_path / "err", "w") as err,
        popen(["sh", "-c", "cat; echo no >&2"], {0: source, 1: out, 2: err}) as process,
    ):
        pass
    assert process.returncode == 0
    assert (tmp_path / "out").read_text() == "hello"
    assert (tmp_path / "err").read_text() == "no\n"


def test_streams_that_are_swapped() -> None:
    """In a process of its own: what is 0 here becomes 1 there."""
    code = (
        "import os\n"
        "from fdbrokerd import popen\n"
        "a, b = os.pipe()\n"
        "os.write(b, b'hello'); os.close(b)\n"
        "os.dup2(1, 50); os.dup2(a, 1); os.close(a); os.dup2(50, 0)\n"
        "with popen(['cat'], {0: 1, 1: 0}) as process: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert done.stdout == b"hello"


def test_closed_streams_here() -> None:
    code = (
        "import os, sys\n"
        "from fdbrokerd import popen\n"
        "one = os.open('/dev/zero', os.O_RDONLY)\n"
        "os.dup2(one, 60, inheritable=False)\n"
        "for number in (0, 1, 2, one): os.close(number)\n"
        "with popen(['sh', '-c', 'test /proc/self/fd/5 -ef /dev/zero && test /proc/self/fd/0 -ef "
        "/dev/zero && ! test -e /proc/self/fd/1'], {5: 60, 0: 60}) as process: pass\n"
        "os._exit(process.returncode)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("descriptors", "options", "said"),
    [
        ({3: 1_000_000}, {}, "the descriptor 1000000 is not open"),
        ({-1: 0}, {}, "not a descriptor's number: -1"),
        ({3: 0}, {"pass_fds": (5,)}, "pass_fds follows"),
        ({3: 0}, {"preexec_fn": print}, "preexec_fn follows"),
        ({1: 0}, {"stdout": subprocess.PIPE}, "stdout is given, and a descriptor for 1"),
    ],
)
def test_what_cannot_be_meant(
    descriptors: dict[int, int], options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        popen(["true"], descriptors, **options)


def test_a_number_above_the_limit(opened: Open) -> None:
    one = opened("one", 3)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with pytest.raises(UsageError, match=f"the number {limit} is above the limit"):
        popen(["true"], {limit: one})
