# SPDX-License-Identifier: MIT
"""Where the records go: the journal's native socket and a file. Neither ever holds up a request.

Records wait for the end of the loop's turn and are written together. What cannot be written is
counted and said, never waited for; with `required` nothing is granted that was not written first.
"""

import os
import socket
from collections.abc import Sequence
from errno import ECONNREFUSED, ENOENT
from time import monotonic_ns, time_ns

from fdbrokerd.audit.record import Record, datagram, lines
from fdbrokerd.fd import OwnedFd

JOURNAL_SOCKET = "/run/systemd/journal/socket"

_FILE_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FILE_MODE = 0o600


class AuditLog:
    """The two places. Owns a socket and a descriptor until `close`."""

    def __init__(self, *, journal: bool, file: str | None, required: bool) -> None:
        """Open both. Raises OSError for a file that cannot be appended to."""
        self.lost = 0
        self._waiting: list[Record] = []
        self._file: OwnedFd | None = None
        self._journal: socket.socket | None = None
        self._torn = False
        self.reopen(journal=journal, file=file, required=required)

    def add(self, record: Record) -> bool:
        """Keep a record, ended now, for the next `flush`; tell whether it is the first to wait."""
        record.ended_ns = monotonic_ns()
        self._waiting.append(record)
        return len(self._waiting) == 1

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write(waiting)

    def write_now(self, record: Record) -> bool:
        """Write a record at once; tell whether every place that is configured has it."""
        before = self.lost
        record.ended_ns = monotonic_ns()
        self._write([record])
        return self.lost == before and (self._file is not None or self._journal is not None)

    def _write(self, records: Sequence[Record]) -> None:
        if self._file is not None:
            zero_ns = time_ns() - monotonic_ns()
            self._append(lines(records, zero_ns), len(records))
        if self._journal is not None:
            for record in records:
                self._send(self._journal, datagram(record.fields()))

    def _append(self, data: bytes, records: int) -> None:
        """Append to the file.

        A short write (a full disk) tears a line. Its end would not fit either, so it is ended by
        the next write that succeeds.
        """
        assert self._file is not None
        if self._torn:
            data = b"\n" + data
        try:
            written = os.write(self._file.fileno(), data)
        except OSError:
            self.lost += records
            return
        self.lost += data[written:].count(b"\n")
        self._torn = not data[:written].endswith(b"\n")

    def _send(self, journal: socket.socket, data: bytes) -> None:
        """Send to the journal; unconnected, so that a journald that was started again gets it.

        No journald is no fault, unless the record is required. A full queue or a record that is too
        long for a datagram (names and values are bounded far below it) is a record lost.
        """
        try:
            journal.sendto(data, JOURNAL_SOCKET)
        except OSError as error:
            absent = error.errno in {ENOENT, ECONNREFUSED}
            if self.required or not absent:
                self.lost += 1

    def reopen(self, *, journal: bool, file: str | None, required: bool) -> None:
        """Write there from now on; also to a file of the same name that logrotate(8) has moved.

        Raises OSError, and then goes on writing where it did.
        """
        to_journal = _journal_socket() if journal else None
        try:
            opened = None if file is None else OwnedFd(os.open(file, _FILE_FLAGS, _FILE_MODE))
        except OSError:
            if to_journal is not None:
                to_journal.close()
            raise
        self.close()
        self._file, self._journal = opened, to_journal
        self._torn = False
        self.required = required

    def filenos(self) -> list[int]:
        """Return the numbers of both, for who must not close them when it detaches."""
        both = (self._file, self._journal)
        return [one.fileno() for one in both if one is not None]

    def close(self) -> None:
        """Write what waits and close."""
        self.flush()
        if self._file is not None:
            self._file.close()
        if self._journal is not None:
            self._journal.close()
        self._file = self._journal = None


def _journal_socket() -> socket.socket:
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    journal.setblocking(False)
    return journal
