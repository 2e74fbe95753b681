# SPDX-License-Identifier: MIT
"""The service manager's end of NOTIFY_SOCKET (sd_notify(3))."""

import secrets
import socket
from types import TracebackType
from typing import Self

from .process import PATIENCE


class Notifications:
    """A socket that takes what a daemon says of itself."""

    def __init__(self) -> None:
        name = f"fdbroker-test-notify-{secrets.token_hex(8)}"
        self.address = f"@{name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(f"\0{name}")
        self._socket.settimeout(PATIENCE)

    def fileno(self) -> int:
        """Return the number of the socket, to poll."""
        return self._socket.fileno()

    def next(self) -> dict[str, str]:
        """Return the variables of the next datagram, waiting for it."""
        text = self._socket.recv(65536).decode("ascii")
        return dict(line.split("=", 1) for line in text.splitlines())

    def until(self, variable: str) -> dict[str, str]:
        """Return the next datagram that holds a variable; those before it are dropped."""
        while variable not in (found := self.next()):
            pass
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
