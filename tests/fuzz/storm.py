# SPDX-License-Identifier: MIT
"""Clients that send volleys to a daemon, each a process of a user, and count what comes of it."""

import json
import os
import random
import select
import socket
import struct
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

from fdbrokerd.fd import OwnedFd
from tests.daemon.identity import User

from .ammunition import Arsenal, Volley

REPLY_SECONDS = 60.0
"""Without a byte from the daemon: it hangs."""

_SPACES = (0, socket.CMSG_LEN(4), socket.CMSG_SPACE(4 * 253))
"""Room for descriptors: none, one, or all. What does not fit is closed by the kernel (unix(7))."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one user sent: frames, and the records that they make; and what came back."""

    uid: int
    frames: int
    connections: int
    records: int
    replies: int
    descriptors: int
    truncated: int
    refused: int
    """Attempts to send descriptors that the kernel refused (SO_PASSRIGHTS)."""


class _Client:
    def __init__(self, address: str, uid: int, seed: int) -> None:
        self._address = f"\0{address[1:]}"
        self._uid = uid
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._arsenal = Arsenal(seed)
        self._descriptors = self._truncated = self._refused = self._extra = 0

    def run(self, frames: int) -> Sent:
        """Send so many frames, or a few more; fail where a reply is missing."""
        sent = connections = records = replies = 0
        while sent < frames:
            volley = self._arsenal.volley(frames - sent)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as one:
                one.connect(self._address)
                got = self._exchange(one, volley)
            assert got == volley.replies, f"{got} replies, not {volley.replies}, {volley}"
            sent += volley.records
            records += volley.records
            replies += got
            connections += 1
        return Sent(
            self._uid, sent, connections, records + self._extra, replies,
            self._descriptors, self._truncated, self._refused,
        )  # fmt: skip

    def _exchange(self, one: socket.socket, volley: Volley) -> int:
        """Send it in pieces while reading; return how many replies came."""
        if not self._random.randrange(20) and self._is_refused(one):
            return volley.replies if self._again(volley) else -1
        one.setblocking(False)
        unsent, got = memoryview(volley.data), 0
        while not (volley.lasts and not unsent and got >= volley.replies):
            writers = [one] if unsent else []
            readable, writable, _ = select.select([one], writers, [], REPLY_SECONDS)
            assert readable or writable, f"nothing comes of {volley}"
            if writable:
                unsent = self._send(one, unsent)
                if not unsent and not volley.lasts:
                    one.shutdown(socket.SHUT_WR)
            if readable:
                data = self._receive(one)
                if not data:
                    break
                got += data.count(b"\0")
        return min(got, volley.replies) if volley.lasts else got

    def _send(self, one: socket.socket, unsent: memoryview) -> memoryview:
        size = self._random.choice((1, 7, 100, 4096, 65536, 65536))
        try:
            return unsent[one.send(unsent[:size], socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            return unsent
        except (BrokenPipeError, ConnectionResetError):  # it has seen enough
            return unsent[len(unsent) :]

    def _receive(self, one: socket.socket) -> bytes:
        space = self._random.choice(_SPACES)
        try:
            data, ancillary, flags, _ = one.recvmsg(65536, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return b""
        for _, _, body in ancillary:
            for (number,) in struct.iter_unpack("i", body[: len(body) - len(body) % 4]):
                OwnedFd(number).close()
                self._descriptors += 1
        self._truncated += bool(flags & socket.MSG_CTRUNC)
        return data

    def _is_refused(self, one: socket.socket) -> bool:
        """Send descriptors where none belong; before Linux 6.16 that is the end, with a record."""
        rights = struct.pack("3i", 0, 1, 2)
        try:
            one.sendmsg([b"{"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except PermissionError:
            self._refused += 1
            return False
        self._extra += 1
        return True

    def _again(self, volley: Volley) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as another:
            another.connect(self._address)
            return self._exchange(another, volley) == volley.replies


def storm(address: str, uids: Sequence[int], frames: int, seed: int) -> list[Sent]:
    """Have each user send its share; return what each has sent. Raises AssertionError."""
    share = -(-frames // len(uids))
    children = []
    for place, uid in enumerate(uids):
        read, write = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _be(uid, write, address, share, seed * 1000 + place)
        OwnedFd(write).close()
        children.append((pid, OwnedFd(read)))
    sent = []
    failed = []
    for pid, said in children:
        with said, os.fdopen(said.detach()) as file:
            text = file.read()
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            failed.append(text)
        else:
            sent.append(Sent(**json.loads(text)))
    assert not failed, failed[0]
    return sent


def _be(uid: int, says: int, address: str, frames: int, seed: int) -> NoReturn:
    status = 1
    text = ""
    try:
        User(uid).become()
        text = json.dumps(asdict(_Client(address, uid, seed).run(frames)))
        status = 0
    except BaseException:  # noqa: BLE001 (nothing may come back into the caller from here)
        text = traceback.format_exc()[-20000:]
    finally:
        os.write(says, text.encode("utf-8", "backslashreplace"))
        os._exit(status)
