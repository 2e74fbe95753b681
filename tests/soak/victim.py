# SPDX-License-Identifier: MIT
"""A client that is killed: it may be at any place of any request by then."""

import itertools
import mmap
import os
import signal
import struct
import time
import traceback
from typing import TYPE_CHECKING

from tests.daemon.identity import User
from tests.daemon.items import send
from tests.daemon.process import take_byte
from tests.daemon.wire import Reply, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

ITEMS = 3
"""Names that it puts and replaces over and over."""

_SUMS = struct.Struct("QQ")


class Victim:
    """The process. It counts in shared memory, so what it has counted outlives it."""

    def __init__(self, address: str, user: User, serial: int) -> None:
        self._address = address
        self._user = user
        self.items: Sequence[str] = [
            f"killed-slots/{user.uid}-{serial}-{at}" for at in range(ITEMS)
        ]
        self.begun = 0
        self.answered = 0

    def kill_after(self, answers: int, seconds: float) -> None:
        """Start it, and kill it so long after so many answers, wherever it is then."""
        reached, say = os.pipe()
        with mmap.mmap(-1, _SUMS.size) as sums:
            pid = os.fork()
            if not pid:
                try:
                    self._ask_for_ever(sums, answers, say)
                except BaseException:  # noqa: BLE001 (nothing may come back from here)
                    traceback.print_exc()
                finally:
                    os._exit(1)
            try:
                take_byte(reached)
                time.sleep(seconds)  # the moment at which it is killed, and no wait
            finally:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                os.close(reached)
                os.close(say)
            self.begun, self.answered = _SUMS.unpack(sums[:])

    def _ask_for_ever(self, sums: mmap.mmap, answers: int, say: int) -> None:
        memory = os.memfd_create("killed")
        with Wire(self._address, self._user) as wire:

            def asked(method: str, **parameters: object) -> Reply:
                self.begun += 1
                sums[:] = _SUMS.pack(self.begun, self.answered)
                reply = wire.call(method, **parameters)
                self.answered += 1
                sums[:] = _SUMS.pack(self.begun, self.answered)
                if self.answered == answers:
                    os.write(say, b"!")
                return reply

            for turn in itertools.count():
                asked("Get", resource="killed")
                asked("Get", resource="killed-lease")
                asked("Get", resource="killed-page")
                item = self.items[turn % ITEMS]
                put = asked("Put", item=item, names=["d0"], replace=True)
                if not put.error:
                    send(put.descriptors[0], [memory])
                    asked("Commit", transaction=put.parameters["transaction"])
                taken = asked("Take", item=item)
                if not taken.error and turn % 2:
                    asked("Commit", transaction=taken.parameters["transaction"])
                wire.close_descriptors()
