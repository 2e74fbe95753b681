# SPDX-License-Identifier: MIT
"""The service manager: what it passed to us, and what we tell it.

sd_listen_fds(3) and sd_notify(3). NOTIFY_SOCKET and the LISTEN_ variables are taken out of the
environment: they are for this process, not for what it starts.
"""

import os
import re
import socket
from collections.abc import MutableMapping
from time import CLOCK_MONOTONIC, clock_gettime_ns
from typing import TextIO

import sdnotify

from fdbrokerd.errors import Error
from fdbrokerd.fd import OwnedFd

FIRST_DESCRIPTOR = 3

MAX_PASSED = 16_384
"""Twice as many as are ever stored (`fdstore.MAX_STORED`), which leaves the listeners room."""

_NUMBER = re.compile(r"[0-9]{1,18}")


class NotPassed(Error):
    """LISTEN_FDS says what cannot be."""


class Passed:
    """A descriptor that the service manager passed, owned here, and the name it gave."""

    __slots__ = ("descriptor", "name")

    def __init__(self, name: str, descriptor: OwnedFd) -> None:
        self.name = name
        self.descriptor = descriptor


def passed_descriptors(environment: MutableMapping[str, str]) -> list[Passed]:
    """Return what LISTEN_FDS says is ours, now close-on-exec.

    Raises NotPassed for numbers that are none, and descriptors that are not open.
    """
    taken = {
        name: environment.pop(name, "")
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
    }
    if taken["LISTEN_PID"] != str(os.getpid()) or not taken["LISTEN_FDS"]:
        return []
    if not _NUMBER.fullmatch(taken["LISTEN_FDS"]) or int(taken["LISTEN_FDS"]) > MAX_PASSED:
        raise NotPassed(f"LISTEN_FDS is {taken['LISTEN_FDS']!r}")
    count = int(taken["LISTEN_FDS"])
    numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count)
    for number in numbers:  # all of them are there before one is owned
        try:
            os.set_inheritable(number, False)
        except OSError as error:
            raise NotPassed(f"LISTEN_FDS={count}, and descriptor {number} is not open") from error
    names = taken["LISTEN_FDNAMES"].split(":") if taken["LISTEN_FDNAMES"] else []
    return [
        Passed(name, OwnedFd(number))
        for name, number in zip(
            (*names[:count], *[""] * (count - len(names))), numbers, strict=True
        )
    ]


class Notifier:
    """What the service manager is told; nothing where there is none (NOTIFY_SOCKET is not set).

    Made after any DaemonContext, which would close its socket. The socket never blocks: a manager
    that is stopped must not stop us, and a state that got lost is said again by the next one.
    """

    def __init__(self, environment: MutableMapping[str, str], voice: TextIO | None = None) -> None:
        """Connect. What `ready` says is said to `voice`, too: the journal, or a terminal."""
        self._voice = voice
        self._notifier: sdnotify.SystemdNotifier | None = None
        if environment.get("NOTIFY_SOCKET"):
            notifier = sdnotify.SystemdNotifier()  # reads the variable itself
            if notifier.socket is not None:
                notifier.socket.setblocking(False)
                self._notifier = notifier
        environment.pop("NOTIFY_SOCKET", None)
        self.watchdog_seconds = _watchdog_seconds(environment)

    @property
    def socket(self) -> "socket.socket | None":
        """Return the socket, borrowed: what is stored goes the same way, in the same order."""
        return None if self._notifier is None else self._notifier.socket

    def say(self, text: str) -> None:
        """Say something to people."""
        if self._voice is not None:
            print(f"fdbrokerd: {text}", file=self._voice, flush=True)

    def ready(self, status: str) -> None:
        """Say that requests are served, for the first time or after a reload."""
        self._tell(f"READY=1\nSTATUS={_ascii(status)}")
        self.say(status)

    def status(self, status: str) -> None:
        """Say how it goes, in a line."""
        self._tell(f"STATUS={_ascii(status)}")

    def reloading(self) -> None:
        """Say that the rules are being read again; the time tells two reloads apart."""
        now = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1")

    def watchdog(self) -> None:
        """Say that the loop turns."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(state)

    def close(self) -> None:
        """Close the socket."""
        if self._notifier is not None:
            self._notifier.socket.close()


def _ascii(text: str) -> str:
    """Return a line that sdnotify can encode: it drops whatever latin-1 has no letter for."""
    return text.encode("ascii", "replace").decode().replace("\n", " ")


def _watchdog_seconds(environment: MutableMapping[str, str]) -> float | None:
    """Return how often the manager wants to hear of us (sd_watchdog_enabled(3))."""
    microseconds = environment.pop("WATCHDOG_USEC", "")
    process = environment.pop("WATCHDOG_PID", "")
    if not _NUMBER.fullmatch(microseconds) or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000 or None  # zero is no interval


def is_listener(sock: socket.socket) -> bool:
    """Tell whether a socket is a listening AF_UNIX stream socket."""
    return (
        sock.family == socket.AF_UNIX
        and sock.type == socket.SOCK_STREAM
        and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    )
