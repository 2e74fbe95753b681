# SPDX-License-Identifier: MIT
"""Starting the daemon as a service manager with LISTEN_FDS does (sd_listen_fds(3))."""

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from .broker import COMMANDS, Files, RunningBroker, running

PLACE = """
import fcntl, os, sys
numbers = [int(number) for number in os.environ.pop("PLACE").split()]
high = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3 + len(numbers)) for number in numbers]
for place, number in enumerate(high, start=3):
    os.dup2(number, place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Moves descriptors to 3 and upwards, says whom they are for, and becomes the daemon."""


@contextmanager
def activated(
    files: Files,
    loop: str,
    sockets: Mapping[str, socket.socket],
    program: Sequence[str] | None = None,
) -> Iterator[RunningBroker]:
    """Run a daemon, or another program, with borrowed sockets passed to it under their names."""
    numbers = [one.fileno() for one in sockets.values()]
    variables = {
        "PLACE": " ".join(map(str, numbers)),
        "LISTEN_FDS": str(len(sockets)),
        "LISTEN_FDNAMES": ":".join(sockets),
    }
    command = [sys.executable, "-ISc", PLACE, *(program or COMMANDS[loop])]
    with running(files, command, numbers, **variables) as broker:
        yield broker
