# SPDX-License-Identifier: MIT
"""An upgrade while the broker is in use: nobody is refused, and nothing that it holds is lost."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.booted.service import KNOCK, PATH, SOCKET, UNIT
from tests.booted.store_desk import Program, ask, check_stored, look_again, ready

from .deb import NEWER, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

    from tests.booted.machine import Machine

pytestmark = pytest.mark.timeout(300)

ITEMS = 300

# Gets a terminal again and again until there is input; says how often it got one, how often it had
# to ask once more, and ends with a traceback where that was not enough.
ASK = """
import select, sys
import fdbrokerd
LOST = (fdbrokerd.Unreachable, fdbrokerd.ProtocolError)
got = again = 0
def get():
    with fdbrokerd.Client() as broker, broker.get("pty"):
        pass
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        get()
    except LOST:
        again += 1
        get()
    got += 1
    if got == 1:
        print(flush=True)
print(got, again)
"""

# The same by the program, started anew each time: its modules are replaced under it.
START = """
got=0
until read -t 0; do
    tty=$(fdbroker-get pty -- tty) || exit
    : $((got += 1))
    if [ $got = 1 ]; then echo; fi
done
echo $got 0
"""


@dataclass
class Load:
    """Clients that ask all the time."""

    asking: list[Popen[str]]

    def ends(self) -> list[list[int]]:
        """Stop them; return for each how often it was answered, and how often it was hung up on."""
        told = []
        for process in self.asking:
            output, _ = process.communicate("\n")
            assert process.returncode == 0
            told.append([int(word) for word in output.split()])
        return told


def listeners(machine: Machine) -> set[str]:
    """Return the sockets that listen at our addresses: by their inodes, which no other has."""
    lines = machine.run("grep", "fdbroker", "/proc/net/unix").stdout.splitlines()
    sockets = [line.split() for line in lines]
    # unix(7): the flag of who listens is __SO_ACCEPTCON.
    return {f"{one[7]} {one[6]}" for one in sockets if int(one[3], 16) & 0x10000}


@pytest.fixture
def load(installed: Machine) -> Iterator[Load]:
    """Have clients ask: by hand at the path, with the library and the program at the other one."""
    with ExitStack() as stack:
        asking = [
            stack.enter_context(installed.popen(*command))
            for command in (
                ("python3", "-Ic", KNOCK, PATH),
                ("python3", "-Ic", ASK),
                ("bash", "-c", START),
            )
        ]
        for process in asking:
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "\n"
        yield Load(asking)


def test_nothing_is_lost(installed: Machine, load: Load) -> None:
    ready(installed)
    installed.systemctl("reload", UNIT)
    with Program(installed, "fill", "slots/u/", str(ITEMS)) as filler:
        put = filler.says()["items"]
        first = ask(installed, "look", "slots")
        get = ("fdbroker-get", "pty", "preset=raw", "--", "sh", "-c", "echo up; cat")
        with installed.popen(*get) as terminal:
            assert terminal.stdin is not None
            assert terminal.stdout is not None
            assert terminal.stdout.readline().strip() == "up"
            before = (listeners(installed), installed.show(SOCKET, "ActiveEnterTimestampMonotonic"))
            main = installed.show(UNIT, "MainPID")

            upgrade(installed)

            told = installed.run("fdbrokerctl", "status").stdout
            assert "version: 99.0" in told
            assert installed.show(UNIT, "MainPID") != main
            assert installed.show(UNIT, "NeedDaemonReload") == "no"
            now = (listeners(installed), installed.show(SOCKET, "ActiveEnterTimestampMonotonic"))
            assert now == before
            assert len(before[0]) == 2
            terminal.stdin.write("still here\n")
            terminal.stdin.flush()
            assert terminal.stdout.readline().strip() == "still here"
            terminal.kill()
        for answered, hung_up in load.ends():
            assert answered > 2
            assert hung_up <= 1  # the one restart
        check_stored(installed, look_again(installed, put, first))
    shown = installed.run("dpkg-query", "--show", "--showformat=${Version}", "fdbrokerd").stdout
    assert shown == NEWER
