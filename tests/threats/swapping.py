# SPDX-License-Identifier: MIT
"""Processes that swap what lies at a path for something else, all the time, as other users.

Below a root of the rules lies `theirs`, a directory of USER's. USER swaps in it what may be swapped
by whoever owns a directory; a hard link to a file of root's only root may make where
fs.protected_hardlinks says so, so a second process of root's does that.
"""

import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

from tests.core.processes import other_process

USER = 61234
"""A uid that nobody has here."""

SECRET = b"secret of root"
THEIRS = b"theirs"

FLIPS = 21
"""Times that a name is swapped for one thing before it is swapped for another."""

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> None:
    """Have two names swap what they name, in one moment (renameat2(2))."""
    if _libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def laid_out(place: Path) -> Path:
    """Lay out what is attacked; return the root. Beside it is what nobody must get."""
    (place / "outside").mkdir(mode=0o755)
    for secret in (place / "secret", place / "outside" / "file"):
        secret.write_bytes(SECRET)
        os.chmod(secret, 0o600)
    root = place / "root"
    theirs = root / "theirs"
    for directory in (root, theirs, theirs / "way"):
        directory.mkdir(mode=0o755)
    for file in (theirs / "name", theirs / "way" / "file"):
        file.write_bytes(THEIRS)
    for path in (theirs, theirs / "way", theirs / "name", theirs / "way" / "file"):
        os.chown(path, USER, USER)
    return root


def _names(root: Path, stop: Path) -> None:
    """Swap `theirs/name` for links, a FIFO, a socket and nothing."""
    own, evil, name = (root / "theirs" / one for one in ("own", "evil", "name"))

    def bind() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(evil))

    evils: list[Callable[[], None]] = [
        lambda: os.symlink("../../secret", evil),
        lambda: os.symlink("/proc/self/fd/0", evil),
        lambda: os.symlink(str(root.parent / "secret"), evil),
        lambda: os.mkfifo(evil),
        bind,
    ]
    turn = 0
    while not stop.exists():
        turn += 1
        for one in (own, evil):
            one.unlink(missing_ok=True)
        evils[turn % len(evils)]()
        for _ in range(FLIPS):
            exchange(evil, name)
        own.write_bytes(THEIRS)  # the other process may have put its link over both of them
        os.rename(own, name)


def _ways(root: Path, stop: Path) -> None:
    """Swap the directory `theirs/way` for a link to one outside."""
    way, spare = root / "theirs" / "way", root / "theirs" / "spare"
    os.symlink("../../outside", spare)
    while not stop.exists():
        exchange(way, spare)


def _targets(root: Path, stop: Path) -> None:
    """Have `theirs/new`, which a rule makes where it is missing, dangle, and be missing."""
    new = root / "theirs" / "new"
    while not stop.exists():
        for _ in range(FLIPS):
            with suppress(OSError):
                os.symlink("../../made", new)
            with suppress(OSError):
                os.unlink(new)
        sleep(0.001)  # or it would hardly ever be missing


def _hard_links(root: Path, stop: Path) -> None:
    """Have `theirs/name` be a second name of the secret, as root."""
    evil = root / "theirs" / "hard"
    while not stop.exists():
        with suppress(OSError):
            os.link(root.parent / "secret", evil)
            exchange(evil, root / "theirs" / "name")
        with suppress(OSError):
            os.unlink(evil)


@contextmanager
def swapping(root: Path) -> Iterator[None]:
    """Have all of it swapped while the block runs."""
    stop = root.parent / "stop"

    def patiently(work: Callable[[Path, Path], None]) -> Callable[[], None]:
        """Leave the daemon its part of a small machine: who waits for it swaps nothing."""

        def nicely() -> None:
            os.nice(10)
            work(root, stop)

        return nicely

    with (
        other_process(patiently(_names), uid=USER),
        other_process(patiently(_ways), uid=USER),
        other_process(patiently(_targets), uid=USER),
        other_process(patiently(_hard_links)),
    ):
        try:
            yield
        finally:
            stop.touch()
