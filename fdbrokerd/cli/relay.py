# SPDX-License-Identifier: MIT
"""Relays between the user's end and the master of a pty until one of them ends.

    input  -> to_master -> master
    output <- to_output <- master

A direction stops reading while its buffer is full. Everything waits in one poll(2).
"""

from __future__ import annotations

import os
import select
import signal
import termios
import time

from fdbrokerd.cli.escape_key import EscapeKey
from fdbrokerd.cli.signals import DEADLY, Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fdbrokerd.cli.slave import Awaited, NoSlave, Session
    from fdbrokerd.cli.terminal import Terminal

_CHUNK_BYTES = select.PIPE_BUF
"""poll(2) promises room for that much in a pipe."""

_BUFFER_BYTES = 64 * 1024

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Ended(Exception):
    """The user's end is over: a signal to die by, or 0 for the escape key."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Relay:
    """One relay; borrows everything."""

    def __init__(
        self,
        master: int,
        terminal: Terminal,
        slave: Awaited | NoSlave | Session,
        signals: Signals,
    ) -> None:
        self._master = master
        self._terminal = terminal
        self._slave = slave
        self._signals = signals
        self._to_master = bytearray()
        self._to_output = bytearray()
        self._reading_input = True
        self._master_open = True
        self._escape_key = EscapeKey()
        self._last_typed = ord("\n")
        self._end_said_in: int | None = None  # the mode
        os.set_blocking(master, False)  # our own description: made for this grant

    def run(self) -> None:
        """Relay until the slave's side ends. Raises Ended where the user's side does first."""
        while self._goes_on():
            ready = self._wait()
            if ready.get(self._signals.fileno()):
                self._take_signals()
            if ready.get(self._slave.fileno()):
                self._slave.happened()
            if events := ready.get(self._master, 0):
                self._serve_master(events)
            if ready.get(self._terminal.input):
                self._read_input()
            if events := ready.get(self._terminal.output, 0):
                self._serve_output(events)

    def _goes_on(self) -> bool:
        if self._slave.ended() and self._master_open:
            self._drain()
        return self._master_open or bool(self._to_output)

    def _wait(self) -> dict[int, int]:
        poll = select.poll()
        for number, events in self._interests():
            poll.register(number, events)
        return dict(poll.poll())

    def _interests(self) -> Iterator[tuple[int, int]]:
        yield self._signals.fileno(), select.POLLIN
        if self._slave.fileno() >= 0:
            yield self._slave.fileno(), select.POLLIN
        if self._reading_input and self._master_open and len(self._to_master) < _BUFFER_BYTES:
            yield self._terminal.input, select.POLLIN
        yield self._terminal.output, select.POLLOUT if self._to_output else 0
        master = select.POLLIN if len(self._to_output) < _BUFFER_BYTES else 0
        master |= select.POLLOUT if self._to_master else 0
        if self._master_open and master:  # asked for nothing it would still report a hang-up
            yield self._master, master

    def _take_signals(self) -> None:
        for number in self._signals.take():
            if number in DEADLY:
                raise Ended(number)
            if number == signal.SIGTSTP:
                self._terminal.restore()
                self._signals.stop()
            self._terminal.raw()  # after a stop: the shell had its own modes meanwhile
            self._terminal.give_size(self._master)

    def _serve_master(self, events: int) -> None:
        if events & _GONE:  # nobody reads any more; what was written can still be read
            self._reading_input = False
            self._to_master.clear()
        if events & (select.POLLIN | _GONE) and len(self._to_output) < _BUFFER_BYTES:
            self._read_master()
        if events & select.POLLOUT and self._to_master:
            self._write_master()

    def _read_master(self) -> bool:
        """Read once; tell whether there may be more."""
        try:
            data = os.read(self._master, _BUFFER_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last slave is closed
            data = b""
        self._to_output += data
        self._master_open = bool(data)
        if self._end_said_in is not None:
            self._say_end()
        return self._master_open

    def _write_master(self) -> None:
        try:
            written = os.write(self._master, self._to_master[:_CHUNK_BYTES])
        except BlockingIOError:
            return
        del self._to_master[:written]

    def _drain(self) -> None:
        """Take what the command left behind; others may keep the slave and write for ever."""
        enough = len(self._to_output) + _BUFFER_BYTES  # more than a pty holds
        while self._read_master() and len(self._to_output) < enough:
            pass
        self._master_open = False

    def _read_input(self) -> None:
        try:
            data = os.read(self._terminal.input, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: the terminal has hung up
            data = b""
        if data:
            self._to_master += data
            self._last_typed = data[-1]
        else:
            self._reading_input = False
            self._slave.release()  # if nobody else has it, the master hangs up
            self._say_end()
        if self._terminal.is_terminal and self._escape_key.pressed(data, time.monotonic()):
            raise Ended(0)

    def _say_end(self) -> None:
        """Type the end of file, as a user would.

        In canonical mode it turns into a NUL when the reader leaves that mode before reading it, as
        a shell's line editor does; so it is typed once more in each new mode. A raw terminal has no
        such key: there the byte would be data.
        """
        try:
            settings = termios.tcgetattr(self._master)
        except termios.error:
            return  # hung up
        mode = settings[3] & (termios.ICANON | termios.ISIG)
        if mode == self._end_said_in or not self._master_open:
            return
        self._end_said_in = mode
        key = settings[6][termios.VEOF]
        if mode and key != b"\0":
            # In the middle of a line the first one only hands the line over.
            whole_line = self._last_typed in b"\r\n" or not mode & termios.ICANON
            self._to_master += key if whole_line else key * 2
            self._last_typed = ord("\n")

    def _serve_output(self, events: int) -> None:
        if events & _GONE and not events & select.POLLOUT:
            raise Ended(signal.SIGPIPE)
        try:
            written = os.write(self._terminal.output, self._to_output[:_CHUNK_BYTES])
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise Ended(signal.SIGPIPE) from None
        except OSError:  # EIO: the terminal has hung up
            raise Ended(signal.SIGHUP) from None
        del self._to_output[:written]
