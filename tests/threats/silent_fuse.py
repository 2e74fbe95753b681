# SPDX-License-Identifier: MIT
"""A FUSE file system that reads what it is asked and answers nothing but INIT.

A process that has asked it sleeps in the kernel, where no signal reaches it (request_wait_answer),
until the connection is aborted. It is mounted in the mount namespace of the daemon alone:

python -m tests.threats.silent_fuse DEVICE WHERE COMMAND…

mounts it there and becomes the daemon. The test keeps the device; that it is closed, even by the
kernel when the test is killed, aborts the connection and wakes all who sleep.
"""

import os
import select
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.core.processes import PATIENCE, mount, own_mounts
from tests.needs import cannot

_IN = struct.Struct("=IIQ")
_OUT = struct.Struct("=IiQ")
_INIT = 26
_INIT_ANSWER = struct.pack("=IIIIHHIIHH8I", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, *([0] * 8))


class SilentFuse:
    """The server's side. `device` is its own."""

    def __init__(self) -> None:
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            cannot(f"needs /dev/fuse: {error.strerror}")
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        self._asked = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def command(self, where: Path, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return a command that mounts it in a namespace of its own and goes on as another."""
        return (sys.executable, "-m", __name__, str(self.device), str(where), *command)

    def await_question(self) -> None:
        """Return when somebody more has asked, and sleeps."""
        assert self._asked.acquire(timeout=PATIENCE), "nobody has asked the file system"

    def _read(self) -> None:
        poll = select.poll()
        for number in (self.device, self._woken):
            poll.register(number, select.POLLIN)
        while True:
            events = dict(poll.poll())
            if self._woken in events:
                return
            if not events.get(self.device, 0) & select.POLLIN:  # POLLERR: not mounted yet
                select.select([self._woken], [], [], 0.01)
                continue
            _, code, unique = _IN.unpack_from(os.read(self.device, 256 * 1024))
            if code == _INIT:
                size = _OUT.size + len(_INIT_ANSWER)
                os.write(self.device, _OUT.pack(size, 0, unique) + _INIT_ANSWER)
            else:
                self._asked.release()

    def abort(self) -> None:
        """Wake all who sleep; again, that does nothing."""
        if self.device < 0:
            return
        os.write(self._wake, b"x")
        self._reader.join()
        for number in (self.device, self._woken, self._wake):
            os.close(number)
        self.device = -1


@contextmanager
def silent_fuse() -> Iterator[SilentFuse]:
    """Have one while the block runs."""
    server = SilentFuse()
    try:
        yield server
    finally:
        server.abort()


def _main() -> None:
    device, where, *command = sys.argv[1:]
    own_mounts()
    mount("fuse", where, "fuse", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other")
    os.close(int(device))
    os.execv(command[0], command)  # noqa: S606 (there is nothing for a shell to read)


if __name__ == "__main__":
    _main()
