# SPDX-License-Identifier: MIT
"""A kind of a third party, which does what its specification says."""

import os
import signal
import socket

from fdbrokerd.errors import Busy
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened
from fdbrokerd.opener.packet import send

from .processes import open_numbers


class Strange:
    """The kind. An argument may be the path of what it opens."""

    name = "strange"

    def open(self, spec: str, request: Request, peer: Peer, *, may_wait: bool) -> Opened:  # noqa: ARG002 (a kind's signature)
        """Do it."""
        path = request.arguments.get("path", "/dev/null")
        if spec == "hang":  # in the kernel, as for a file system that does not answer
            os.open(path, os.O_RDONLY)
        if spec == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if spec == "busy":
            raise Busy(resource=request.resource)
        if spec == "fault":
            raise ValueError("a fault")
        if spec.startswith("{"):  # nonsense, said by the only descriptor that a child has
            os.write(max(open_numbers()), os.fsencode(spec))
            os.kill(os.getpid(), signal.SIGKILL)
        if spec == "twice":  # two descriptors of one name
            with socket.socket(fileno=max(open_numbers())) as channel:
                send(channel, b'{"names": ["a", "a"]}', (1, 2))
                os.kill(os.getpid(), signal.SIGKILL)
        names = {"two": ("a", "b"), "many": tuple(f"n{n}" for n in range(253))}.get(spec, ("file",))
        made = {name: OwnedFd(os.open(path, os.O_RDONLY)) for name in names}
        return Opened(made, {"pid": str(os.getpid())})
