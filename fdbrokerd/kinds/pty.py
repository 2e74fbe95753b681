# SPDX-License-Identifier: MIT
"""The kind `pty`: a pair of pseudoterminal ends (pty(7)).

    owner   who owns the slave: a user, or ${user} for the peer (the default)
    group   the slave's group; unset: as the devpts mount says (gid=5, tty, nearly everywhere)
    mode    the slave's mode, default "0620": others may not read, the group may write(1)

A peer may say `rows`, `columns` and `preset`: `raw` passes bytes as they are, `no-echo` keeps lines
but does not repeat them. The descriptors are `master` and `slave`, the property `path` is the
slave's name in the broker's own mount namespace.
"""

import ctypes
import os
import struct
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.argument import Argument, Choice, Integer
from fdbrokerd.model.key import OWN, Account, Key, Mode, Own, Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened

PTMX = "/dev/ptmx"

TIOCGPTPEER = 0x5441
"""Opens the slave of this very master, whatever /dev/pts is mounted where (Linux 4.13)."""
TIOCSPTLCK = 0x40045431
TIOCGPTN = 0x80045430

_FLAGS = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
"""O_NOCTTY for both ends: systemd makes the daemon a session leader, which would get the slave as
its controlling terminal and be killed by SIGHUP when a client closes the master."""

_UNLOCK = bytearray(4)
_NUMBER = bytearray(4)
"""What the ioctls read and write. Of bytes, and for a number, fcntl.ioctl takes longer than the
kernel does."""

_libc = ctypes.CDLL(None, use_errno=True)
_PEER = ctypes.c_ulong(TIOCGPTPEER)

_WINDOW = struct.Struct("HHHH")

DEFAULT_MODE = 0o620


class PtySpec(Struct, frozen=True):
    """How the slave is to look."""

    owner: int | Own = OWN
    group: int | Own | None = None
    mode: int = DEFAULT_MODE


class Pty:
    """The kind."""

    name = "pty"
    verbs = frozenset({"get"})
    keys: Mapping[str, Key] = MappingProxyType(
        {
            "owner": Key(Account(), "who owns the slave; ${user}, the default, is the peer"),
            "group": Key(Account(group=True), "the slave's group; unset: as devpts is mounted"),
            "mode": Key(Mode(), 'the slave\'s mode, "0620" unless given'),
        }
    )
    arguments: Mapping[str, Argument] = MappingProxyType(
        {
            "rows": Argument(Integer(0, 65535)),
            "columns": Argument(Integer(0, 65535)),
            "preset": Argument(Choice(("default", "raw", "no-echo"))),
        }
    )

    descriptors: tuple[str, ...] = ("master", "slave")
    many = True

    def spec(self, values: Values, arguments: frozenset[str]) -> PtySpec:  # noqa: ARG002
        """Return the specification."""
        mode = values.number("mode")
        return PtySpec(
            owner=OWN if (owner := values.account("owner")) is None else owner,
            group=values.account("group"),
            mode=DEFAULT_MODE if mode is None else mode,
        )

    def may_block(self, spec: PtySpec) -> bool:  # noqa: ARG002
        """Tell that it never does: devpts is the kernel's own."""
        return False

    def holding(self, spec: PtySpec) -> None:  # noqa: ARG002
        """Tell that it holds no items."""
        return

    def wanted(self, request: Request) -> None:  # noqa: ARG002
        """Tell that all there is of it is handed over."""
        return

    def open(
        self,
        spec: PtySpec,
        request: Request,
        peer: Peer,
        *,
        may_wait: bool,  # noqa: ARG002
    ) -> Opened:
        """Make as many pairs as were asked for, all or none."""
        descriptors: dict[str, OwnedFd] = {}
        properties: dict[str, str] = {}
        try:
            for index in range(request.count):
                suffix = "" if request.count == 1 else str(index)
                master, slave, path = _pair(spec, peer)
                descriptors[f"master{suffix}"] = master
                descriptors[f"slave{suffix}"] = slave
                properties[f"path{suffix}"] = path
                _adjust(slave.fileno(), request.arguments)
        except BaseException:
            Opened(descriptors).close()
            raise
        return Opened(descriptors, properties)


def _pair(spec: PtySpec, peer: Peer) -> tuple[OwnedFd, OwnedFd, str]:
    """Return a new master, its slave and the slave's path.

    The slave is opened before it has its owner: opened by nobody else until then, since the number
    is not known and the mode of the mount (0600 or 0620) lets only root and the broker's own user
    in.
    """
    master = OwnedFd(os.open(PTMX, _FLAGS))
    try:
        ioctl(master, TIOCSPTLCK, _UNLOCK)
        slave = _slave_of(master.fileno())
    except BaseException:
        master.close()
        raise
    try:
        ioctl(master, TIOCGPTN, _NUMBER)
        _give(slave.fileno(), spec, peer)
    except BaseException:
        master.close()
        slave.close()
        raise
    return master, slave, f"/dev/pts/{int.from_bytes(_NUMBER, sys.byteorder)}"


def _slave_of(master: int) -> OwnedFd:
    """Open a master's slave. Raises OSError.

    Not openpty(3), though that is faster: where the kernel refuses, it opens a path instead, which
    may be another instance's terminal.
    """
    slave = _libc.ioctl(master, _PEER, _FLAGS)
    if slave < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return OwnedFd(slave)


def _give(slave: int, spec: PtySpec, peer: Peer) -> None:
    """Set mode and owner, whatever they are: to look first takes longer.

    The mode first: afterwards it would need CAP_FOWNER, as it does where devpts is mounted with
    `uid=`. There it has to be right by itself.
    """
    owner = peer.uid if isinstance(spec.owner, Own) else spec.owner
    group = peer.gid if isinstance(spec.group, Own) else spec.group
    try:
        os.fchmod(slave, spec.mode)
    except PermissionError:
        if os.fstat(slave).st_mode & 0o7777 != spec.mode:
            raise
    os.fchown(slave, owner, -1 if group is None else group)


def _adjust(slave: int, arguments: Mapping[str, str]) -> None:
    """Set what the peer asked for: the window's size and the line discipline's preset."""
    if "rows" in arguments or "columns" in arguments:
        rows, columns = int(arguments.get("rows", "24")), int(arguments.get("columns", "80"))
        ioctl(slave, termios.TIOCSWINSZ, _WINDOW.pack(rows, columns, 0, 0))
    preset = arguments.get("preset", "default")
    if preset == "default":
        return
    settings = termios.tcgetattr(slave)
    if preset == "raw":
        _make_raw(settings)
    else:
        settings[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(slave, termios.TCSANOW, settings)


def _make_raw(settings: list[object]) -> None:
    """Change termios(3) settings as cfmakeraw(3) does."""
    off = (
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON,
        termios.OPOST,
        termios.CSIZE | termios.PARENB,
        termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN,
    )  # fmt: skip
    for index, bits in enumerate(off):
        value = settings[index]
        assert isinstance(value, int)
        settings[index] = value & ~bits
    assert isinstance(settings[2], int)
    settings[2] |= termios.CS8


KIND = Pty()
