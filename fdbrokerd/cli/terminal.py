# SPDX-License-Identifier: MIT
"""The user's end of a relay: standard input and output, a terminal or not."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import termios
import tty

from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

_PTMX = os.makedev(5, 2)
_WINDOW_BYTES = 8


class Terminal:
    """Standard input and output, read and written without waiting where that can be had.

    O_NONBLOCK belongs to the open file description, which is shared with the shell and everybody
    else on the terminal, so it is never set there: terminals, pipes and FIFOs are opened once more.
    Where that is refused, and for sockets, the borrowed numbers serve: poll(2) says when they are
    ready, and PIPE_BUF bytes then do not wait.

    As a context manager it puts a terminal into raw mode and back.
    """

    def __init__(self, input_number: int = 0, output_number: int = 1) -> None:
        self._input_number = input_number
        self._streams: list[OwnedFd] = []
        self.input = self._own(input_number, os.O_RDONLY)
        self.output = self._own(output_number, os.O_WRONLY)
        self.is_terminal = os.isatty(input_number)
        self._sized = next((n for n in (input_number, output_number) if os.isatty(n)), None)
        self._settings: list[Any] | None = None

    def _own(self, number: int, flags: int) -> int:
        """Return a number to use, of a description of our own if possible."""
        status = os.fstat(number)
        again = os.isatty(number) or stat.S_ISFIFO(status.st_mode)
        if not again or status.st_rdev == _PTMX:  # opening a master anew makes another pty
            return number
        flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            owned = OwnedFd(os.open(f"/proc/self/fd/{number}", flags))
        except OSError:
            return number
        self._streams.append(owned)
        return owned.fileno()

    def raw(self) -> None:
        """Pass every key on as it is, Ctrl-C and Ctrl-Z too. Nothing for what is no terminal."""
        if not self.is_terminal:
            return
        if self._settings is None:
            self._settings = termios.tcgetattr(self._input_number)
        elif not self._in_front():
            return  # continued in the background: the shell has the terminal
        tty.setraw(self._input_number, termios.TCSADRAIN)

    def restore(self) -> None:
        """Put the terminal back as it was, unless another job has it now."""
        if self._settings is None or not self._in_front():
            return
        # In the background tcsetattr(3) would stop us; that may have come between.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            termios.tcsetattr(self._input_number, termios.TCSADRAIN, self._settings)
        except termios.error:
            pass  # hung up
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTTOU})

    def _in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self._input_number) == os.getpgrp()
        except OSError:
            return True  # not our controlling terminal: no job control here

    def give_size(self, master: int) -> None:
        """Make the pty's window as large as the terminal's."""
        if self._sized is None:
            return
        try:
            size = fcntl.ioctl(self._sized, termios.TIOCGWINSZ, bytes(_WINDOW_BYTES))
            fcntl.ioctl(master, termios.TIOCSWINSZ, size)
        except OSError:
            pass  # one of them hung up, which the relay is about to learn

    def __enter__(self) -> Self:
        self.raw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.restore()
        for owned in self._streams:
            owned.close()
