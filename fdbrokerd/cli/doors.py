# SPDX-License-Identifier: MIT
"""The doors: listeners that the service manager passed, and those that the settings name."""

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from msgspec import Struct

from fdbrokerd.errors import EX_OSERR, Error
from fdbrokerd.listening import address_of, listen
from fdbrokerd.model.settings import Listener, Settings
from fdbrokerd.systemd import Passed, is_listener

CONNECTED_NAME = "varlink"
"""What `varlinkctl info /usr/bin/fdbrokerd` calls the connected socket that it passes."""

EVERYTHING = ("*",)

SO_NETNS_COOKIE = 71
"""Python has no name for it."""


class CannotListen(Error):
    """A door that the settings name cannot be opened, or what was passed is none."""

    exit_status = EX_OSERR


class Door(Struct, frozen=True):
    """A listening socket and the resources that it serves, None for all."""

    socket: socket.socket
    scope: tuple[str, ...] | None


class Doors(Struct, frozen=True):
    """Where peers come in: listeners, or sockets that were connected before we began."""

    listening: tuple[Door, ...]
    connected: tuple[socket.socket, ...]

    def sockets(self) -> list[socket.socket]:
        """Return all of them."""
        return [*(door.socket for door in self.listening), *self.connected]


@contextmanager
def doors(settings: Settings, passed: Iterable[Passed]) -> Iterator[Doors]:
    """Yield the doors; closes them, and removes the path sockets that were made here.

    With listeners passed, the default addresses are not bound: whoever passed them has chosen. With
    a connected socket passed nothing is bound. Raises CannotListen.
    """
    with ExitStack() as stack:
        listening, connected = _adopt(passed, stack)
        named = {address_of(one): one for one in listening}
        wanted = settings.listen
        if connected or (listening and settings.listen == Settings.default().listen):
            wanted = ()
        for listener in wanted:
            if listener.address not in named:
                _refuse_private(listener.address, named.values())
                listening.append(_bind(listener, stack))
        scopes = {one.address: one.resources for one in settings.listen}
        yield Doors(
            tuple(Door(one, _scope(scopes.get(address_of(one)))) for one in listening),
            tuple(connected),
        )


def _adopt(
    passed: Iterable[Passed], stack: ExitStack
) -> tuple[list[socket.socket], list[socket.socket]]:
    listening: list[socket.socket] = []
    connected: list[socket.socket] = []
    for each in passed:
        try:
            sock = stack.enter_context(socket.socket(fileno=each.descriptor.detach()))
        except OSError as error:
            raise CannotListen(f"what was passed as {each.name!r} is no socket") from error
        if is_listener(sock):
            listening.append(sock)
        elif each.name == CONNECTED_NAME and _is_connected(sock):
            connected.append(sock)
        else:
            raise CannotListen(f"what was passed as {each.name!r} is no listening Unix socket")
    return listening, connected


def _is_connected(sock: socket.socket) -> bool:
    """Tell whether a socket is a connected AF_UNIX stream socket."""
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        return False
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _refuse_private(address: str, passed: Iterable[socket.socket]) -> None:
    """Refuse an abstract address that nobody would find: in a network namespace of our own.

    A cookie stands for a namespace and needs no permission (SO_NETNS_COOKIE, Linux 5.14); without
    it nothing is known, and nothing refused. Raises CannotListen.
    """
    if address.startswith("/"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX) as own:
        for each in passed:
            if _network(each) != _network(own):
                raise CannotListen(
                    f"cannot listen at {address}: this process has a network namespace of its own "
                    "(PrivateNetwork=yes). Have systemd listen: ListenStream= in the socket unit"
                )


def _network(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)


def _bind(listener: Listener, stack: ExitStack) -> socket.socket:
    path = listener.address if listener.address.startswith("/") else None
    try:
        if path is not None:
            _make_directory(os.path.dirname(path))
        bound = listen(listener.address, listener.mode)
    except OSError as error:
        raise CannotListen(f"cannot listen at {listener.address}: {error.strerror}") from error
    if path is not None:
        stack.callback(_remove, path, os.stat(path).st_ino)
    return stack.enter_context(bound)


def _make_directory(path: str) -> None:
    """Make the last directory of a path, as tmpfiles would have, where it is missing."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, 0o755)  # noqa: S103 (whatever the umask is: peers must pass through)


def _remove(path: str, inode: int) -> None:
    """Remove a path socket, if it is still ours and not a successor's."""
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        pass


def _scope(resources: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if resources is None or resources == EVERYTHING else resources
