# SPDX-License-Identifier: MIT
"""A pty without a place: relayed, with whoever opens its slave or with a command on it."""

from __future__ import annotations

import fcntl
import os
import signal
import sys

from fdbrokerd.cli.disposition import die_by
from fdbrokerd.cli.relay import Ended, Relay
from fdbrokerd.cli.signals import Signals
from fdbrokerd.cli.slave import Awaited, NoSlave, Session
from fdbrokerd.cli.terminal import Terminal
from fdbrokerd.client.escape import escape
from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.grant import Grant


def await_opener(grant: Grant, *, quiet: bool) -> int:
    """Relay with whoever opens the slave; return the exit status."""
    terminal = Terminal()
    slave = OwnedFd(grant.detach("slave"))
    path = grant.properties.get("path", "")
    visible = _is_here(path, slave.fileno())
    awaited = Awaited(slave)
    try:
        if not quiet:  # and not before: whoever reads this may open the slave at once
            _tell(path, visible=visible, keys=terminal.is_terminal)
        end = _relay(grant.fileno("master"), terminal, awaited)
    finally:
        awaited.release()
        grant.close()
    return _finish(end, 0)


def run_command(
    grant: Grant, program: str, arguments: list[str], environment: dict[str, str]
) -> int:
    """Relay with a command whose controlling terminal the slave is; return the exit status."""
    terminal = Terminal()
    terminal.give_size(grant.fileno("master"))
    session = Session(OwnedFd(grant.detach("slave")), program, arguments, environment)
    try:
        end = _relay(grant.fileno("master"), terminal, session)
    finally:
        session.forget()
        grant.close()
    status = session.exit_status  # None: ended from here, and the command is hung up on
    return _finish(end, 128 + signal.SIGHUP if status is None else status)


def relay_master(master: int) -> int:
    """Relay with whoever has the slave open already; return the exit status.

    Others may share the master: they find it as it was.
    """
    flags = fcntl.fcntl(master, fcntl.F_GETFL)
    try:
        end = _relay(master, Terminal(), NoSlave())
    finally:
        fcntl.fcntl(master, fcntl.F_SETFL, flags)
    return _finish(end, 0)


def _relay(master: int, terminal: Terminal, slave: Awaited | NoSlave | Session) -> int | None:
    """Relay; return what the user's side ended by, or None if the slave's side ended."""
    with Signals() as signals, terminal:  # in this order: raw only where signals end it in order
        terminal.give_size(master)
        try:
            Relay(master, terminal, slave, signals).run()
        except Ended as ended:
            return ended.number
    return None


def _finish(end: int | None, status: int) -> int:
    """Die by the signal that ended the relay, now that the terminal is as it was."""
    if end:
        die_by(end)
    return status


def _is_here(path: str, slave: int) -> bool:
    """Tell whether the path is the slave in this mount namespace, and not another pty's."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(slave))
    except (OSError, ValueError):
        return False


def _tell(path: str, *, visible: bool, keys: bool) -> None:
    lines = [escape(path)]
    if not visible:
        lines.append("(in the broker's mount namespace; here it is not that terminal)")
    if keys:
        lines.append("Type ^] three times within one second to end.")
    print(*lines, sep="\n", file=sys.stderr, flush=True)
