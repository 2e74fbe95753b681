# SPDX-License-Identifier: MIT
"""A FUSE file whose server never answers FLUSH: whoever closes it waits, in the kernel.

The test never has it itself: it would wait as well. Another process opens it in a mount namespace
of its own and sends it; the server is one more, and when it ends the kernel lets everybody go.
"""

import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.core.processes import mount, open_numbers, other_process, own_mounts, readable
from tests.needs import cannot, need_root

_IN = struct.Struct("IIQQIIII")
_OUT = struct.Struct("IiQ")
_LOOKUP, _FORGET, _GETATTR, _OPEN, _RELEASE, _FLUSH, _INIT = 1, 2, 3, 14, 18, 25, 26
_ENOSYS = -38
_ATTRIBUTES = struct.Struct("6Q3I6II")


def _attributes(node: int) -> bytes:
    mode = 0o40755 if node == 1 else 0o100644
    return _ATTRIBUTES.pack(node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _answer(code: int, node: int) -> tuple[int, bytes]:
    if code == _INIT:
        return 0, struct.pack("IIIIHHIIHH8I", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, *([0] * 8))
    if code == _LOOKUP:
        return 0, struct.pack("QQQQII", 2, 0, 60, 60, 0, 0) + _attributes(2)
    if code == _GETATTR:
        return 0, struct.pack("QII", 60, 0, 0) + _attributes(node)
    if code == _OPEN:
        return 0, struct.pack("QII", 7, 0, 0)
    return (0, b"") if code == _RELEASE else (_ENOSYS, b"")


def _serve(device: int) -> None:
    while True:
        data = os.read(device, 256 * 1024)
        _, code, unique, node, *_ = _IN.unpack_from(data)
        if code in {_FORGET, _FLUSH}:
            continue
        error, body = _answer(code, node)
        os.write(device, _OUT.pack(_OUT.size + len(body), error, unique) + body)


@contextmanager
def unflushable(place: Path, over: socket.socket) -> Iterator[None]:
    """Have such a file sent over a socket, as one message of one byte; at the end let it go."""
    need_root("FUSE in a mount namespace of its own")
    if not os.path.exists("/dev/fuse"):
        cannot("needs /dev/fuse")
    told, tells = os.pipe2(os.O_CLOEXEC)
    waits, go = os.pipe2(os.O_CLOEXEC)

    def work() -> None:
        keep = {0, 1, 2, over.fileno(), tells, waits}
        for number in open_numbers() - keep:  # the other end of `over`, say, and of `waits`
            if number < 200:  # beyond is what `start` tells us by
                os.close(number)
        own_mounts()
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
        mount("fuse", str(place), "fuse", 0, options)
        server = os.fork()
        if server == 0:
            _serve(device)
        os.close(device)
        try:
            file = os.open(place / "file", os.O_RDWR | os.O_CLOEXEC)
            socket.send_fds(over, [b"x"], [file])  # noqa: TID251 (a client that knows no better)
            os.write(tells, b"x")
            os.read(waits, 1)
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)

    try:
        with other_process(work):
            try:
                assert readable(told), "no FUSE file"
                yield
            finally:
                os.close(go)
    finally:
        for number in (told, tells, waits):
            os.close(number)
