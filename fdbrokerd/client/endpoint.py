# SPDX-License-Identifier: MIT
"""The broker's end: where it is, and whether who answers there may be believed.

Anyone may bind an abstract name that is free, so the server's uid is checked before one byte is
sent. The kernel says the uid of who called listen(2): root for a socket unit of systemd.
"""

from __future__ import annotations

import _socket
from _struct import Struct
from errno import EAGAIN, ECONNREFUSED, ENOENT
from posix import geteuid, getuid

from fdbrokerd import channel, errors
from fdbrokerd.client.environment import environment
from fdbrokerd.errors import Unreachable, UsageError, WrongServer

DEFAULT_ADDRESSES = ("/run/fdbrokerd/io.fdbroker", "@fdbrokerd")
"""Tried in this order: nobody but root can put something in the way of the path."""

ADDRESS_VARIABLE = "FDBROKER_SOCKET"
SERVER_UID_VARIABLE = "FDBROKER_SERVER_UID"

UNMAPPED_UID = 65534
"""What the kernel shows for an id that has no number in our user namespace."""

_NOBODY_THERE = frozenset({ENOENT, ECONNREFUSED})

_CREDENTIALS = Struct("iII")


def connect(
    address: str | None, timeout_seconds: float | None, server_uid: int | None
) -> _socket.socket:
    """Return a connection to a broker that may be believed; blocks.

    Without an address: FDBROKER_SOCKET, or the first default where somebody listens. Raises
    Unreachable, WrongServer, NoAnswer (the broker does not accept) or UsageError.
    """
    address = address or environment().get(ADDRESS_VARIABLE)
    trusted = {0, _told_uid() if server_uid is None else server_uid}
    if geteuid() != UNMAPPED_UID:  # which everybody looks like who is not mapped here
        trusted.add(geteuid())
    addresses = (address,) if address else DEFAULT_ADDRESSES
    for candidate in addresses:
        try:
            connection = _connect(candidate, timeout_seconds)
        except Unreachable as error:
            if len(addresses) == 1 or _errno(error) not in _NOBODY_THERE:
                raise
            continue
        try:
            _check(connection, candidate, trusted)
        except BaseException:
            connection.close()
            raise
        return connection
    raise Unreachable(f"no broker at {' or '.join(addresses)}")


def inherited(address: str | None) -> bool:
    """Tell whether the connection is one that was handed to this process: no second can be made."""
    return (address or environment().get(ADDRESS_VARIABLE) or "").startswith("fd:")


def _connect(address: str, timeout_seconds: float | None) -> _socket.socket:
    # An inherited connection was made by whoever made it; only a new one is ours to answer for.
    if not address.startswith("fd:") and getuid() != geteuid():
        raise Unreachable(
            f"the real uid ({getuid()}) and the effective uid ({geteuid()}) differ, as in a "
            "setuid program: the broker could not tell who asks, and would hang up"
        )
    try:
        return channel.connect(address, timeout_seconds)
    except Unreachable as error:
        if _errno(error) == EAGAIN:  # SO_SNDTIMEO passed with the backlog full (unix(7))
            raise errors.NoAnswer(resource=address) from error
        raise


def _errno(error: Unreachable) -> int | None:
    return getattr(error.__cause__, "errno", None)


def _told_uid() -> int | None:
    text = environment().get(SERVER_UID_VARIABLE, "")
    if text and not (text.isascii() and text.isdigit()):
        raise UsageError(f"{SERVER_UID_VARIABLE} is not a uid: {text!r}")
    return int(text) if text else None


def _check(connection: _socket.socket, address: str, trusted: set[int | None]) -> None:
    body = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS.size)
    uid = _CREDENTIALS.unpack(body)[1]
    if uid not in trusted:
        raise WrongServer(
            f"who answers at {address} has uid {uid}: neither root, nor the own uid, "
            f"nor one that {SERVER_UID_VARIABLE} names"
        )
