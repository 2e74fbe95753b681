# SPDX-License-Identifier: MIT
"""What a peer sends over a deposit socket, received by the child: over a real socket."""

import os
import socket
from array import array

import pytest

from fdbrokerd.errors import CallError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import Own
from fdbrokerd.model.holding import TYPES
from fdbrokerd.opener.deposit import take_in
from fdbrokerd.opener.intake import Intake
from tests.fuzz.choices import Choices

TOKENS = (b"\x01\x01", b"\x02\x01", b"\x00\x03", b"\x01\xff")

_NAMES = ("a", "b", "c")


def check(data: bytes) -> None:
    """Send some messages of some bytes and descriptors, and have them taken in."""
    choices = Choices(data)
    names = _NAMES[: 1 + choices.below(3)]
    job = Intake(names, frozenset(TYPES), frozenset(), False, 1, "s/a", Own(1))
    held: list[OwnedFd] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        sent = [_send(ours, choices) for _ in range(choices.below(4))]
        if choices.flag():
            ours.shutdown(socket.SHUT_WR)
        try:
            judged = take_in(job, theirs, held)
        except CallError:
            pass
        else:
            assert [each for each in sent if each[0]] == [(1, len(names))], (
                "taken, and not one message of one byte"
            )
            assert len(judged) == len(held) == len(names)
            with pytest.raises(BrokenPipeError):
                ours.send(b"x", socket.MSG_NOSIGNAL)
        finally:
            close_all(held)


def _send(connected: socket.socket, choices: Choices) -> tuple[int, int]:
    """Send bytes with descriptors; return how many of each. Without a byte nothing arrives."""
    size, count = choices.below(4), choices.below(5)
    kind = choices.below(4)
    with OwnedFd(_one(kind)) as one:
        rights = array("i", [one.fileno()] * count)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if count else []
        connected.sendmsg([b"x" * size], ancillary, socket.MSG_NOSIGNAL)
    return size, count


def _one(kind: int) -> int:
    if kind == 0:
        return os.eventfd(0, os.EFD_CLOEXEC)
    if kind == 1:
        return os.memfd_create("fuzz\x1b", os.MFD_CLOEXEC)
    path, flags = ("/", os.O_PATH) if kind == 2 else ("/dev/null", os.O_RDWR)
    return os.open(path, flags | os.O_CLOEXEC)
