# SPDX-License-Identifier: MIT
"""The child's side of an intake: one message from the deposit socket, and what is in it."""

import socket

from fdbrokerd.errors import DescriptorsMissing, InvalidArgument, OpenFailed
from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import Judged, Refused, check, judge
from fdbrokerd.opener.intake import Intake
from fdbrokerd.opener.packet import DESCRIPTORS_SPACE, owned

_AT_ONCE = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC


def take_in(job: Intake, deposit: socket.socket, held: list[OwnedFd]) -> list[Judged]:
    """Receive what is in the deposit into `held`, and judge each. Raises CallError.

    Nothing is closed here, whatever happens: closing may take for ever, and the verdict must not
    wait for it.
    """
    truncated = _receive(job, deposit, held)
    expected, received = len(job.names), len(held)
    if truncated or received < expected:
        raise DescriptorsMissing(expected=expected, received=received)
    if received > expected:
        reason = f"{expected} announced, and {received} descriptors sent"
        raise InvalidArgument(argument="names", reason=reason)
    return [_judged(job, name, one.fileno()) for name, one in zip(job.names, held, strict=True)]


def _receive(job: Intake, deposit: socket.socket, held: list[OwnedFd]) -> bool:
    """Receive the only message; tell whether descriptors were kept back."""
    try:
        data, ancillary, flags, _ = deposit.recvmsg(2, DESCRIPTORS_SPACE, _AT_ONCE)
    except BlockingIOError:
        raise DescriptorsMissing(expected=len(job.names), received=0) from None
    except OSError as error:  # the peer has reset it
        raise OpenFailed.of(job.item, error.errno or 0) from error
    held += owned(ancillary)
    if len(data) != 1 and (data or held or flags & socket.MSG_CTRUNC):
        raise InvalidArgument(argument="names", reason="not sent as one message of one byte")
    if _more(deposit):
        raise InvalidArgument(argument="names", reason="sent as more than one message")
    return bool(flags & socket.MSG_CTRUNC)


def _more(deposit: socket.socket) -> bool:
    """Tell whether another message is there; none can come any more (shutdown(2)).

    So what is closed later is empty. Looked at without room for descriptors, which are neither
    installed nor closed by that.
    """
    deposit.shutdown(socket.SHUT_RDWR)
    try:
        data, _, flags, _ = deposit.recvmsg(1, 0, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return bool(data or flags & socket.MSG_CTRUNC)


def _judged(job: Intake, name: str, number: int) -> Judged:
    """Judge one descriptor. Raises InvalidArgument in its name."""
    try:
        judged = judge(number, job.own, job.pid)
        check(number, judged, job.accept, job.seals, read_only=job.read_only)
    except Refused as refused:
        raise InvalidArgument(argument=name, reason=refused.reason) from None
    except OSError as error:
        raise OpenFailed.of(job.item, error.errno or 0) from error
    return judged
