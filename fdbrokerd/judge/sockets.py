# SPDX-License-Identifier: MIT
"""A socket: its family and protocol, its names, and whether it is one of the broker's own."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from fdbrokerd.judge.judged import Judged, Own, Refused
from fdbrokerd.judge.shown import shown

IPPROTO_MPTCP = 262

_CREDENTIALS = struct.Struct("iII")
_LINGER_OFF = struct.pack("ii", 0, 0)

_UNIX_TYPES = {
    socket.SOCK_STREAM: "stream",
    socket.SOCK_DGRAM: "datagram",
    socket.SOCK_SEQPACKET: "seqpacket",
}
_INTERNET = {
    (socket.SOCK_STREAM, socket.IPPROTO_TCP): "tcp",
    (socket.SOCK_STREAM, IPPROTO_MPTCP): "mptcp",
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP): "udp",
}
"""All that is taken. Raw, ping, SCTP, SMC and whatever comes next close in ways of their own."""


def judge_socket(number: int, own: Own) -> Judged:
    """Judge what is known to be a socket."""
    # What it is made of does not matter for asking what it is.
    with _borrowed(number, socket.AF_UNIX, socket.SOCK_STREAM, 0) as any_socket:
        family, kind, protocol = (
            any_socket.getsockopt(socket.SOL_SOCKET, option)
            for option in (socket.SO_DOMAIN, socket.SO_TYPE, socket.SO_PROTOCOL)
        )
    if family == socket.AF_UNIX and kind in _UNIX_TYPES:
        with _borrowed(number, family, kind, protocol) as one:
            return Judged("socket", _unix(one, _UNIX_TYPES[socket.SocketKind(kind)], own))
    name = _INTERNET.get((socket.SocketKind(kind), protocol)) if kind in _KINDS else None
    if family in {socket.AF_INET, socket.AF_INET6} and name is not None:
        with _borrowed(number, family, kind, protocol) as one:
            if kind == socket.SOCK_STREAM:
                # One measure, and not enough: the sender keeps a copy and can set it again, or
                # queue a socket that lingers in an AF_UNIX one that is held. So the daemon is
                # never the last to close what it holds: a child is (see opener/closer.py).
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
            return Judged("socket", _internet(one, name))
    raise Refused(
        f"a socket of {_family(family)}, type {kind}, protocol {protocol}: only Unix sockets and "
        "tcp, mptcp and udp ones are taken"
    )


_KINDS = frozenset(int(kind) for kind in socket.SocketKind)


@contextmanager
def _borrowed(number: int, family: int, kind: int, protocol: int) -> Iterator[socket.socket]:
    """Lend a number to a socket object, which must not close it."""
    one = socket.socket(family, kind, protocol, fileno=number)
    try:
        yield one
    finally:
        one.detach()


def _family(family: int) -> str:
    try:
        return socket.AddressFamily(family).name
    except ValueError:
        return f"address family {family}"


def _unix(one: socket.socket, kind: str, own: Own) -> str:
    """Describe a Unix socket. Raises Refused for one of the broker's own.

    SO_PEERCRED is who made a pair, who listened, or who listens where it is connected to; for a
    listener that systemd made that is pid 1, so the names count as well.
    """
    name, peer = _unix_name(one.getsockname()), _peer(one)
    peer_name = "" if peer is None else _unix_name(peer)
    credentials = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = _CREDENTIALS.unpack(credentials)[0]
    if pid == own.pid or not own.addresses.isdisjoint((name, peer_name)):
        raise Refused("one of the broker's own sockets, or one that is connected to it")
    return _described(one, f"unix {kind}", shown(name), None if peer is None else shown(peer_name))


def _unix_name(name: object) -> str:
    if isinstance(name, bytes):  # abstract: a NUL, then any bytes
        return f"@{name[1:].decode('utf-8', 'surrogateescape')}" if name else ""
    return str(name)


def _internet(one: socket.socket, protocol: str) -> str:
    peer = _peer(one)
    return _described(
        one,
        protocol,
        _internet_name(one.getsockname()),
        None if peer is None else _internet_name(peer),
    )


def _internet_name(name: object) -> str:
    """Return host:port, or nothing for a socket that was not bound yet."""
    assert isinstance(name, tuple)
    host, port = name[0], name[1]
    if not port:
        return ""
    return f"[{shown(host)}]:{port}" if ":" in host else f"{shown(host)}:{port}"


def _peer(one: socket.socket) -> object:
    try:
        return one.getpeername()
    except OSError:  # not connected, or not any more
        return None


def _described(one: socket.socket, sort: str, name: str, peer: str | None) -> str:
    listening = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    text = f"{'listening ' if listening else ''}{sort} socket"
    if name:
        text += f" {name}"
    if peer is None:
        return text
    return f"{text}, connected" + (f" to {peer}" if peer else "")
