# SPDX-License-Identifier: MIT
"""What is done with a descriptor that no command uses, by what it is."""

from __future__ import annotations

import fcntl
import os
import socket
import stat

from fdbrokerd.errors import UsageError
from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fdbrokerd.client.grant import Grant

_TIOCGPTN = 0x80045430
"""The number of a pty, which only its master tells. Python 3.11's termios has no name for it."""


def use_of(grant: Grant) -> Callable[[], object]:
    """Return what uses a grant's one descriptor. Raises UsageError where a command is needed.

    A file of the broker's own opening is copied or fed from where it begins. An item is shared with
    whoever put it: it is neither emptied, nor is its position moved by reading.
    """
    from fdbrokerd.cli import transfer  # noqa: PLC0415

    if grant.kind == "file":
        return lambda: transfer.transfer(grant.fileno())
    if len(grant.names) != 1:
        raise _needs_command(grant, f"several descriptors ({', '.join(grant.names)})")
    number = grant.fileno()
    mode = os.fstat(number).st_mode
    if _is_master(number):
        from fdbrokerd.cli.pty_relay import relay_master  # noqa: PLC0415

        return lambda: relay_master(number)
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
        return lambda: transfer.share(number)
    raise _needs_command(grant, _sort(number, mode))


def _needs_command(grant: Grant, what: str) -> UsageError:
    if "/" not in grant.resource:
        return UsageError(f"a {grant.kind} needs a command that uses it: -- CMD")
    return UsageError(f"{grant.resource} holds {what}: give a command that uses it: -- CMD")


def _is_master(number: int) -> bool:
    try:
        fcntl.ioctl(number, _TIOCGPTN, bytes(4))
    except OSError:
        return False
    return True


def _sort(number: int, mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return _sort_of_socket(number)
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISCHR(mode):
        return "a terminal" if os.isatty(number) else "a device"
    try:
        link = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        link = ""
    name = link.removeprefix("anon_inode:").strip("[]")
    return f"a descriptor of the type {name}" if name != link else "what can only be passed on"


def _sort_of_socket(number: int) -> str:
    with OwnedFd.copy_of(number) as copy:
        one = socket.socket(fileno=copy.fileno())
        copy.detach()
    with one:
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "a listening socket"
        try:
            one.getpeername()
        except OSError:
            return "a socket"
        return "a connected socket"
