# SPDX-License-Identifier: MIT
"""Signals as something to poll: a handler that acts could come between any two steps."""

from __future__ import annotations

import os
import signal

from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

DEADLY = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_HANDLED = (*DEADLY, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: Python writes the number to the pipe."""


class Signals:
    """What arrives while the `with` block runs. What was ignored before, as by nohup, stays so."""

    def __init__(self) -> None:
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pipe, self._write_end = OwnedFd(read_end), OwnedFd(write_end)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(
            signal.SIGPIPE, signal.SIG_IGN
        )  # an EPIPE while there is a terminal to restore
        for number in _HANDLED:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, _note)
        return self

    def fileno(self) -> int:
        """Return the number to poll."""
        return self._pipe.fileno()

    def take(self) -> bytes:
        """Return the numbers of the signals that arrived."""
        try:
            return os.read(self._pipe.fileno(), 4096)
        except BlockingIOError:
            return b""

    def stop(self) -> None:
        """Stop this process as SIGTSTP would have, and return when it is continued."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _note)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._pipe.close()
        self._write_end.close()
