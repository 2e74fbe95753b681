# SPDX-License-Identifier: MIT
"""A process of ours, with all that it starts: where it runs, what it costs, how it ends."""

import os
import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.counter import counted

PATIENCE = 20.0
"""Seconds; waited for in full only where something is wrong."""

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Child:
    """A process that ends with us, whatever becomes of us."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        variables: Mapping[str, str] | None = None,
        speaks: bool = False,
        hears: bool = False,
    ) -> None:
        """Start it; its standard error goes to `log`. `speaks`, `hears`: over pipes, in lines."""
        self.log = log
        with log.open("ab") as said:
            self.process = subprocess.Popen(  # closed in `stop`
                ["setpriv", "--pdeathsig", "KILL", *command],
                env={**os.environ, **(variables or {})},
                stdin=subprocess.PIPE if hears else subprocess.DEVNULL,
                stdout=subprocess.PIPE if speaks else said,
                stderr=said,
                text=True,
            )

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the next line of its standard output; raises EOFError when there is none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(self.said())
        return line.rstrip("\n")

    def said(self) -> str:
        """Return what it has written to its standard error."""
        return self.log.read_text()

    def _tasks(self) -> Iterator[tuple[int, int]]:
        """Yield process and thread of all that there is now, itself first."""
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            with suppress(FileNotFoundError, ProcessLookupError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    yield pid, int(task)
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    waiting += map(int, children.split())

    def cpu_ns(self) -> int:
        """Return how long it has computed; of children that have ended nothing is known."""
        total = 0
        for pid, task in self._tasks():
            with suppress(FileNotFoundError, ProcessLookupError):
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        return total

    def counted(self) -> AbstractContextManager[Callable[[], int]]:
        """Count the instructions of all that there is now."""
        return counted([task for _, task in self._tasks()])

    def stay_on(self, processors: Collection[int]) -> None:
        """Run only there from now on."""
        for _, task in self._tasks():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(task, processors)

    def resident_kib(self) -> int:
        """Return how much memory the process itself has."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_KIB

    def stop(self) -> None:
        """End it."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
