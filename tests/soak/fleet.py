# SPDX-License-Identifier: MIT
"""The workers' processes, and how far they are."""

import json
import mmap
import os
import signal
import struct
import traceback
from types import TracebackType
from typing import Self

from tests.daemon.identity import User

from .count import Count
from .rules import FIRST_UID
from .worker import Worker

_COUNT = struct.Struct("Q")


class Fleet:
    """Processes that work until each has made its share of requests."""

    def __init__(self, address: str, workers: int, requests: int, seed: int) -> None:
        self.counts: dict[int, Count] = {}
        self._address = address
        self._share = -(-requests // workers)
        self._seed = seed
        self._done = mmap.mmap(-1, workers * _COUNT.size)
        self._pids: dict[int, int] = {}
        self._files: dict[int, int] = {}
        for number in range(workers):
            self._start(number)

    def _start(self, number: int) -> None:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                data = json.dumps(self._work(number)).encode()
                while data:
                    data = data[os.write(write, data) :]
                status = 0
            except BaseException:  # noqa: BLE001 (nothing may come back into the soak from here)
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)
        self._pids[number] = pid
        self._files[read] = number

    def _work(self, number: int) -> dict[str, object]:
        user = User(FIRST_UID + number)
        user.become()
        worker = Worker(self._address, self._seed + number, user)
        while worker.count.requests < self._share and not worker.count.wrong:
            worker.act()
            _COUNT.pack_into(self._done, number * _COUNT.size, worker.count.requests)
        worker.close()
        return {name: getattr(worker.count, name) for name in Count.__slots__}

    def requests(self) -> int:
        """Return how many requests they have made so far."""
        return sum(count for (count,) in _COUNT.iter_unpack(self._done[:]))

    def waiting(self) -> list[int]:
        """Return what becomes readable as each of them ends; nothing when all have."""
        return list(self._files)

    def reap(self, file: int) -> None:
        """Take what one says at its end. A worker that failed has said why, and says nothing."""
        number = self._files.pop(file)
        with open(file, "rb") as said:
            text = said.read()
        os.waitpid(self._pids.pop(number), 0)
        count = Count()
        if text:
            count.add(json.loads(text))
        else:
            count.wrong.append(f"worker {number} has failed")
        self.counts[FIRST_UID + number] = count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for file in self._files:
            os.close(file)
