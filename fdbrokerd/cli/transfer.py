# SPDX-License-Identifier: MIT
"""What has no command: copied to standard output, or fed from standard input."""

import fcntl
import os
import select
import stat

_CHUNK_BYTES = 64 * 1024


def transfer(file: int) -> None:
    """Copy a borrowed file the way it was opened. Raises OSError.

    What was opened for writing, and not for appending, is emptied first, as a shell's `>` does.
    """
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    if flags & os.O_ACCMODE != os.O_WRONLY:
        _copy(file, 1)
        return
    if not flags & os.O_APPEND and stat.S_ISREG(os.fstat(file).st_mode):
        os.ftruncate(file, 0)
    _copy(0, file)


def share(number: int) -> None:
    """Copy or feed a borrowed file or pipe that others use too. Raises OSError.

    A file is read from its beginning, wherever its position is, which stays where it is. What can
    only be written is written where its position is.
    """
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    if flags & os.O_ACCMODE == os.O_WRONLY:
        _copy(0, number)
    elif stat.S_ISREG(os.fstat(number).st_mode):
        _copy_whole(number)
    else:
        _copy(number, 1)


def _copy_whole(file: int) -> None:
    offset = 0
    while data := os.pread(file, _CHUNK_BYTES, offset):
        _write(1, data)
        offset += len(data)


def _copy(source: int, target: int) -> None:
    while data := _read(source):
        _write(target, data)


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:  # somebody set O_NONBLOCK; it is shared, so it stays
            _wait(target, select.POLLOUT)


def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, _CHUNK_BYTES)
        except BlockingIOError:
            _wait(source, select.POLLIN)


def _wait(number: int, event: int) -> None:
    poll = select.poll()
    poll.register(number, event)
    poll.poll()
