# SPDX-License-Identifier: MIT
"""Starts and ends a systemd in namespaces of its own; boot.sh is its other half."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BOOT_SECONDS = 60
"""Far above the second or two that a boot takes: only a hang gets here."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}
"""All that goes in of the environment; the host's own would make tests differ by machine."""

NAMESPACES = {
    "mnt": "mount",
    "pid": "pid",
    "ipc": "ipc",
    "uts": "uts",
    "cgroup": "cgroup",
    "net": "net",
}
"""Those that boot.sh makes: the kernel's name of each, and nsenter's option."""


class BootError(Exception):
    """The machine did not come up; the text holds what its set-up said."""


@dataclass(frozen=True)
class Door:
    """The way into a machine: descriptors, since a pid could by now be another process."""

    pid: int
    namespaces: Mapping[str, int]
    """By nsenter's option."""
    procs: int
    """cgroup.procs of the cgroup for commands, opened from outside: where cgroup namespaces are
    boundaries of delegation, a process cannot be moved across one from inside."""


@contextlib.contextmanager
def boot(tree: Path, site: Path | None) -> Iterator[Door]:
    """Boot the tree, wait until systemd says that it is ready, and kill it at the end."""
    deadline = time.monotonic() + BOOT_SECONDS
    with contextlib.ExitStack() as undo:
        directory = Path(tempfile.mkdtemp(prefix="fdbrokerd-machine-"))
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        (directory / "root").mkdir()
        log = undo.enter_context((directory / "log").open("w+"))
        notify = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(str(directory / "notify"))
        command = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation"]
        command += ["private", "bash", "--", str(Path(__file__).with_name("boot.sh"))]
        command += [str(tree), str(directory), "" if site is None else str(site)]
        process = undo.enter_context(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=ENVIRONMENT,
                # A ^C at the terminal is for the tests, which then shut down in order.
                start_new_session=True,
            )
        )
        try:
            pid, pid1 = undo.enter_context(_pid1(process, directory / "notify", deadline))
            namespaces = {
                option: undo.enter_context(_opened(f"/proc/{pid}/ns/{name}", os.O_RDONLY))
                for name, option in NAMESPACES.items()
            }
            harness = f"/proc/{pid}/root/sys/fs/cgroup/harness/cgroup.procs"
            procs = undo.enter_context(_opened(harness, os.O_WRONLY))
            _wait_until_ready(notify, pid1, deadline)
            # systemd goes on telling, and would wait for ever for a reader of a full queue.
            notify.close()
        except (OSError, ValueError) as error:
            log.seek(0)
            raise BootError(f"{tree} does not boot: {error}\n{log.read()}") from error
        yield Door(pid, namespaces, procs)


@contextlib.contextmanager
def _pid1(
    process: subprocess.Popen[bytes], notify: Path, deadline: float
) -> Iterator[tuple[int, int]]:
    """Wait for the machine's pid 1, return its pid here and a pidfd, and kill it at the end."""
    with contextlib.ExitStack() as undo:
        # Until its pid 1 is known, boot.sh is asked to kill it.
        failed = undo.enter_context(contextlib.ExitStack())
        failed.callback(process.terminate)
        assert process.stdout is not None
        _wait_readable([process.stdout.fileno()], deadline)
        pid = int(process.stdout.readline() or b"0")
        pid1 = os.pidfd_open(pid)
        undo.callback(os.close, pid1)
        # Were it dead already, the number could be another's by now: only ours has our socket.
        ours = notify.stat().st_ino
        if Path(f"/proc/{pid}/root/run/host/notify").stat().st_ino != ours:
            raise ProcessLookupError(f"{pid} is not the machine")
        failed.pop_all()
        undo.callback(_kill, pid1)
        yield pid, pid1


def _kill(pid1: int) -> None:
    """Kill the machine, and with its pid 1 everything in it, and wait until it is dead."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pid1, signal.SIGKILL)
    select.select([pid1], [], [])


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_readable(descriptors: list[int], deadline: float) -> list[int]:
    ready, _, _ = select.select(descriptors, [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError("no sign of life")
    return ready


def _wait_until_ready(notify: socket.socket, pid1: int, deadline: float) -> None:
    """Wait for the READY=1 that systemd sends when its start-up is over."""
    while True:
        if notify.fileno() not in _wait_readable([notify.fileno(), pid1], deadline):
            raise ProcessLookupError("systemd ended")
        if b"READY=1" in notify.recv(65536).split(b"\n"):
            return
