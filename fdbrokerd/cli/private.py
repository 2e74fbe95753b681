# SPDX-License-Identifier: MIT
"""`fdbrokerd --run -- CMD`: a broker for one command, with built-in rules; no root, no files."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from fdbrokerd import listening, openat2
from fdbrokerd.asked import InForce
from fdbrokerd.audit import AuditLog
from fdbrokerd.cli.command import CannotRun, find
from fdbrokerd.cli.service import new_loop
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import IdRanges
from fdbrokerd.model.settings import Settings
from fdbrokerd.opener import Zygote
from fdbrokerd.opener.child import serve
from fdbrokerd.rules.builtin import private
from fdbrokerd.server import Server
from fdbrokerd.server.keeping import Keeping
from fdbrokerd.server.loaded import Loaded
from fdbrokerd.systemd import Notifier

SOCKET_VARIABLE = "FDBROKER_SOCKET"

_OURS = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends them to CMD as well, which decides what they mean."""

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_MODE = 0o600


def run(command: Sequence[str]) -> int:
    """Run a command against a broker of its own and return its exit status, 128+N for signal N."""
    openat2.prove()
    mine = PeerMatch(uids=(IdRanges(((os.geteuid(), os.geteuid()),)),))
    loaded = Loaded(Settings.default(), InForce(private(os.geteuid()), admins=mine))
    address = f"@fdbrokerd-run-{os.urandom(8).hex()}"
    environment = _environment(address)
    log = AuditLog(journal=False, file=None, required=False)
    door = listening.listen(address, _MODE)
    with door, closing(log), closing(Zygote(serve)) as zygote, closing(new_loop()) as loop:
        server = Server(loop, loaded, lambda: loaded, log, zygote, Notifier({}), Keeping())
        with closing(server):
            server.listen(door, None)
            return _status(loop.run_until_complete(_beside(server, loop, command, environment)))


async def _beside(
    server: Server,
    loop: asyncio.AbstractEventLoop,
    command: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    """Serve while the command runs; return its pid, which is still to be waited for."""
    stop = asyncio.Event()
    for number in _OURS:
        loop.add_signal_handler(number, lambda: None)
    # What comes while there is nobody to forward it to must wait, not end us and leave CMD alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        pid = _start(command, environment)
        for number in _FORWARDED:
            loop.add_signal_handler(number, os.kill, pid, number)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with OwnedFd(os.pidfd_open(pid)) as pidfd:
        loop.add_reader(pidfd.fileno(), stop.set)
        await server.run(stop)
        loop.remove_reader(pidfd.fileno())
    return pid


def _status(pid: int) -> int:
    """Return the exit status of a process that has ended, as a shell would."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def _start(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start the command with its signals as they are without Python; return its pid.

    Raises NotFound or CannotRun.
    """
    changed = [*_OURS, *_FORWARDED, signal.SIGPIPE, signal.SIGXFSZ]
    path = find(command[0], environment["PATH"])
    try:
        return os.posix_spawn(path, [*command], environment, setsigdef=changed, setsigmask=[])
    except OSError as error:
        raise CannotRun(f"{command[0]}: {error.strerror}") from error


def _environment(address: str) -> dict[str, str]:
    """Return the environment for the command.

    The clients beside this program are found by their names, whether or not a virtual environment
    was activated; what the caller's PATH finds first stays first.
    """
    programs = os.path.dirname(os.path.abspath(sys.argv[0]))
    path = os.environ.get("PATH", os.defpath)
    if os.access(os.path.join(programs, "fdbroker-get"), os.X_OK):
        path = f"{path}{os.pathsep}{programs}"
    return dict(os.environ, PATH=path) | {SOCKET_VARIABLE: address}
