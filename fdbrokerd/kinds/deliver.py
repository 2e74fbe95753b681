# SPDX-License-Identifier: MIT
"""A file's contents instead of the file: a sealed copy, or a pipe and a child that copies."""

import fcntl
import os
from errno import EFBIG
from functools import partial

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.memory import new_memory
from fdbrokerd.opened import Opened

MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024
"""A snapshot is memory that the peer keeps: keys and certificates are a few KiB."""

DEFAULT_SNAPSHOT_BYTES = 1024 * 1024

QUICK_SNAPSHOT_BYTES = 64 * 1024
"""What is read on the way of a request; more is read in a child."""

CHUNK_BYTES = 64 * 1024
"""What a pipe holds."""

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def snapshot(file: int, max_size: int, name: str) -> OwnedFd:
    """Return a memfd with what a borrowed descriptor reads, sealed and at its beginning.

    It can be opened again by /dev/fd/N, has an offset of its own, and is never changed by a
    renewal. Raises OSError(EFBIG) for more than max_size bytes.
    """
    memory = new_memory(name)
    try:
        _copy_at_most(max_size, file, memory.fileno())
        os.lseek(memory.fileno(), 0, os.SEEK_SET)
        fcntl.fcntl(memory.fileno(), fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        memory.close()
        raise
    return memory


def _copy_at_most(size: int, file: int, memory: int) -> None:
    """Copy to the file's end, whatever its size was a moment ago; EFBIG beyond this many bytes."""
    left = size + 1
    while chunk := os.read(file, min(left, CHUNK_BYTES)):
        left -= len(chunk)
        if not left:
            raise OSError(EFBIG, f"it is larger than max-size ({size} bytes)")
        _write_all(memory, chunk)


def _write_all(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def through_pipe(file: OwnedFd, *, writing: bool) -> Opened:
    """Return one end of a pipe; `afterwards` copies between the other end and the file.

    Takes the file over. The peer never has the file itself: what it appended it cannot change.
    """
    try:
        read_end, write_end = (OwnedFd(end) for end in os.pipe2(os.O_CLOEXEC))
    except OSError:
        file.close()
        raise
    if writing:
        return Opened({"file": write_end}, afterwards=partial(_copy, read_end, file))
    return Opened({"file": read_end}, afterwards=partial(_copy, file, write_end))


def _copy(source: OwnedFd, target: OwnedFd) -> None:
    """Copy until the source ends or nobody reads the target any more, then close both."""
    with source, target:
        try:
            while chunk := os.read(source.fileno(), CHUNK_BYTES):
                _write_all(target.fileno(), chunk)
        except BrokenPipeError:
            pass
