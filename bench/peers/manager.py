# SPDX-License-Identifier: MIT
"""The service manager, as far as a daemon knows it: somebody who is told things (sd_notify(3))."""

import secrets
import socket
import threading
from types import TracebackType
from typing import Self

from bench.child import PATIENCE, Child


class Manager:
    """Hears that the daemon is ready, and all it says after that, which it forgets at once.

    What it is given to store (FDSTORE=1) is closed: it never starts anything again.
    """

    def __init__(self) -> None:
        name = f"fdbroker-bench-{secrets.token_hex(8)}"
        self._ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ears.bind(f"\0{name}")
        self._ears.settimeout(PATIENCE)
        self._listening = threading.Thread(target=self._listen)
        self.variables = {"NOTIFY_SOCKET": f"@{name}"}

    def await_ready(self, child: Child) -> None:
        """Wait until it says so."""
        try:
            while b"READY=1" not in self._ears.recv(65536).split(b"\n"):
                pass
        except TimeoutError:
            raise RuntimeError(f"fdbrokerd does not get ready: {child.said()}") from None
        self._ears.settimeout(None)
        self._listening.start()

    def _listen(self) -> None:
        """Make room: a socket that is full would hold up what is put."""
        while self._ears.recv(65536):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ears.shutdown(socket.SHUT_RD)
        if self._listening.is_alive():
            self._listening.join()
        self._ears.close()
