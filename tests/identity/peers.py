# SPDX-License-Identifier: MIT
"""Processes that connect, as other users and in other namespaces, and what becomes of them then.

The connection is handed back to the test, which writes on it as the same user: the process may then
end, or become another program, at the moment that the test chooses.
"""

import array
import os
import signal
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.needs import cannot

from . import kernel
from .wire import PATIENCE, Wire

SOME_ROOM = socket.CMSG_SPACE(4)


@dataclass(frozen=True, slots=True)
class Role:
    """Who a process is for us. `inner`: its uid where it is, in a user namespace of its own."""

    uid: int = 0
    groups: Sequence[int] = ()
    inner: int | None = None
    own_pids: bool = False


class Peer:
    """A process that has connected. A context manager: it ends with the block."""

    def __init__(self, address: str, role: Role) -> None:
        """Start it, and take over its connection."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(PATIENCE)
        with theirs:
            self.pid = os.fork()
            if self.pid == 0:
                _live(theirs, address, role)
        try:
            if role.inner is not None:
                assert self._control.recv(64) == b"map"
                self._map(role.inner, role.uid)
            said, ancillary, _, _ = self._control.recvmsg(4096, SOME_ROOM)
            assert said == b"connected", said.decode() or "it has ended"
        except BaseException:
            self.end()
            self._control.close()
            raise
        (number,) = array.array("i", ancillary[0][2])
        self.wire = Wire(socket.socket(fileno=number), role.uid)

    def _map(self, inner: int, uid: int) -> None:
        """Give its user namespace its only uid, and gid."""
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{self.pid}/{name}", "w", encoding="ascii") as file:
                file.write(f"{inner} {uid} 1")
        self._control.send(b"mapped")

    def become(self, program: str) -> None:
        """Have the process execute another program, that sleeps, and wait until it has."""
        self._control.send(program.encode())
        assert self._control.recv(64) == b"", "the end of what is close-on-exec"

    def end(self) -> None:
        """Kill the process and wait until nothing is left of it; again, that does nothing."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def die(self) -> None:
        """Kill the process and leave it a zombie."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)


@contextmanager
def connected(address: str, role: Role) -> Iterator[Peer]:
    """Start a process that connects; it ends with the block."""
    peer = Peer(address, role)
    try:
        yield peer
    finally:
        peer.end()
        peer.wire.close()
        peer._control.close()


def _live(control: socket.socket, address: str, role: Role) -> None:
    """Be the process."""
    try:
        if role.own_pids:
            kernel.unshare(kernel.CLONE_NEWPID)
            if child := os.fork():
                os.waitpid(child, 0)
                os._exit(0)
        kernel.end_with_parent()
        if role.inner is not None:
            kernel.unshare(kernel.CLONE_NEWUSER)
            control.send(b"map")
            control.recv(64)
        uid = role.uid if role.inner is None else role.inner
        os.setgroups(role.groups)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        kernel.end_with_parent()  # a change of ids takes it back
        _connect(control, address)
    except BaseException:  # noqa: BLE001 (nothing may come back into pytest from here)
        control.send(traceback.format_exc().encode()[-4000:])
    finally:
        os._exit(1)


def _connect(control: socket.socket, address: str) -> None:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(f"\0{address[1:]}")
        rights = array.array("i", [connecting.fileno()])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        control.sendmsg([b"connected"], ancillary)
    if program := control.recv(4096).decode():
        _become(program)


def _become(program: str) -> None:
    os.execv(program, [program, "1000"])  # noqa: S606 (there is nothing for a shell to read)


@contextmanager
def newcomer(pid: int, program: str, uid: int) -> Iterator[None]:
    """Run a sleeping program under a number that was another's while the block runs."""
    try:
        kernel.fork_as(pid, lambda: _sleep(program, uid))
    except PermissionError as error:
        cannot(f"choosing a pid needs CAP_CHECKPOINT_RESTORE: {error}")
    try:
        kernel.await_program(pid, program)
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _sleep(program: str, uid: int) -> None:
    kernel.end_with_parent()
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.end_with_parent()
    _become(program)
