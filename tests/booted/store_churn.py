# SPDX-License-Identifier: MIT
"""Ends the daemon at random moments while clients put, replace, take and remove, and checks.

Usage, in a machine: store_churn SEED ROUNDS. Says the sums as a line of JSON, or ends with what
is wrong. In each round every client does some things one after the other and writes down what was
confirmed, and the daemon is ended once or twice meanwhile, mostly killed. When all have come to an
end, what is held must be what they wrote.

Each client has names of its own, and all share a queue into which one puts and from which another
takes.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import fdbrokerd

from .store_client import QUEUE, Client

UNIT = "fdbrokerd.service"
USERS = (0, 1234, 1234, 4321)
"""One client each."""


FIRST_KILL_SECONDS = 0.08
"""About as long as the things of a round take."""

SECOND_KILL_SECONDS = 0.4
"""About as long as a start takes."""

TABLES = 2

ENDS = ("kill", "kill", "kill", "children", "terminate", "restart")
"""How it is ended; "children" kills the process that makes them, without which it ends itself."""


class Worker:
    """A client's process, and what it has written down."""

    def __init__(self, number: int, seed: int) -> None:
        path = f"/tmp/churn-{os.getpid()}-{number}"
        log = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        self._read = Path(path).open("rb")  # noqa: SIM115
        self._socket, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            status = 1
            try:
                self._socket.close()
                os.setresuid(USERS[number], USERS[number], USERS[number])
                _obey(Client(number, seed, log), theirs)
                status = 0
            except Exception:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        os.close(log)
        theirs.close()

    def begin(self, count: int) -> None:
        """Have it do so many things."""
        self._socket.sendall(bytes([count]))

    def wait(self) -> None:
        """Wait until it has."""
        if not self._socket.recv(1):
            raise SystemExit("a client has failed")

    def written(self) -> list[tuple[str, str, dict[str, int]]]:
        """Return what it wrote since the last time."""
        return [tuple(json.loads(line)) for line in self._read]

    def end(self) -> tuple[Counter[str], float]:
        """Let it go; return what it counted, and the longest that anything took."""
        self._socket.sendall(bytes(1))
        counts, longest_seconds = json.loads(self._socket.makefile().read())
        os.waitpid(self._pid, 0)
        return Counter(counts), longest_seconds


def _obey(client: Client, orders: socket.socket) -> None:
    while count := orders.recv(1)[0]:
        for _ in range(count):
            client.act()
        orders.sendall(b"\1")
    orders.sendall(json.dumps([client.counts, client.longest_seconds]).encode())


class Model:
    """What must be there, by what was written down."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, int]] = {}
        self._taken: set[str] = set()

    def apply(self, workers: Sequence[Worker]) -> None:
        """Note what has happened; a queue's item may be taken before its put is written down."""
        taken: list[tuple[str, dict[str, int]]] = []
        for worker in workers:
            for what, name, parts in worker.written():
                if what in {"put", "replace"}:
                    self.items[name] = parts
                elif name.startswith(QUEUE):
                    taken.append((name, parts))
                else:
                    _same(self.items.pop(name), parts or None, name)
        for name, parts in taken:
            if name in self._taken:
                raise SystemExit(f"{name} was taken twice")
            self._taken.add(name)
            _same(self.items.pop(name), parts, name)

    def check(self) -> None:
        """Compare it with what is there."""
        with fdbrokerd.Client() as broker:
            there = {item.name for item in broker.list() if item.name.startswith("slots/")}
            if there != self.items.keys():
                lost, back = self.items.keys() - there, there - self.items.keys()
                raise SystemExit(f"lost: {sorted(lost)}; not to be there: {sorted(back)}")
            for name, parts in self.items.items():
                with broker.get(name) as grant:
                    got = {part: os.fstat(grant.fileno(part)).st_ino for part in grant.names}
                _same(parts, got, name)
            store = broker.status()["store"]
        assert isinstance(store, dict)
        held = len({inode for parts in self.items.values() for inode in parts.values()})
        if (store["items"], store["descriptors"]) != (len(self.items), held):
            raise SystemExit(f"{len(self.items)} items of {held} descriptors, and it says {store}")
        stored = _show("NFileDescriptorStore")
        if stored != held + TABLES:
            raise SystemExit(f"the manager holds {stored}, and not {held} and the tables")


def _same(was: dict[str, int], now: dict[str, int] | None, name: str) -> None:
    if now is not None and was != now:
        raise SystemExit(f"{name} was {was}, and is {now}")


def _show(key: str) -> int:
    """Return a number that the manager tells; asked again where it hangs up to execute itself."""
    command = ("systemctl", "show", "--value", f"--property={key}", UNIT)
    while True:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if not told.returncode:
            return int(told.stdout)


class Ends:
    """Ends the daemon in one way or another, and counts."""

    def __init__(self, dice: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._dice = dice
        self._commands: list[subprocess.Popen[bytes]] = []

    def end(self, pid: int, how: str = "") -> None:
        """End it, and do not wait for that."""
        how = how or self._dice.choice(ENDS)
        self.counts[how] += 1
        if how == "restart":
            self._commands.append(subprocess.Popen(("systemctl", "restart", UNIT)))
            return
        with suppress(ProcessLookupError, FileNotFoundError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            target = int(children[0]) if how == "children" and children else pid
            os.kill(target, signal.SIGTERM if how == "terminate" else signal.SIGKILL)

    def execute_the_manager(self) -> None:
        """Have pid 1 execute itself; it hangs up on others who ask it for something then."""
        self._commands.append(subprocess.Popen(("systemctl", "daemon-reexec")))

    def wait(self) -> None:
        """Wait for what was begun."""
        while self._commands:
            self._commands.pop().wait()


def main(seed: int, rounds: int) -> None:
    """End it and check."""
    started = time.monotonic()
    dice = random.Random(seed)  # noqa: S311
    workers = [Worker(number, seed) for number in range(len(USERS))]
    model, ends = Model(), Ends(dice)
    for turn in range(rounds):
        main_pid = _show("MainPID")
        for worker in workers:
            worker.begin(dice.randint(8, 24))
        time.sleep(dice.uniform(0, FIRST_KILL_SECONDS))
        if turn % 8 == 7:
            ends.execute_the_manager()
            ends.end(main_pid, "kill")
        else:
            ends.end(main_pid)
        if dice.random() < 0.25:
            while (new_pid := _show("MainPID")) in {0, main_pid}:
                pass
            time.sleep(dice.uniform(0, SECOND_KILL_SECONDS))
            ends.end(new_pid, "kill")
        for worker in workers:
            worker.wait()
        ends.wait()
        model.apply(workers)
        model.check()
    told = [worker.end() for worker in workers]
    figures = {
        "ends": ends.counts,
        "seconds": round(time.monotonic() - started, 1),
        "longest_seconds": round(max(longest for _, longest in told), 3),
        "counts": sum((counts for counts, _ in told), Counter[str]()),
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
