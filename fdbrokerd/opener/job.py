# SPDX-License-Identifier: MIT
"""What a child is told to do.

Jobs come pickled from the daemon, which a child trusts wholly.
"""

import pickle

from msgspec import Struct

from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opener.intake import Intake


class Job(Struct):
    """What is to be opened for whom: a kind, its own specification of the resource, the request.

    Not frozen, which would cost as much as a system call for each request.
    """

    kind: str
    spec: object
    request: Request
    peer: Peer

    @property
    def uid(self) -> int:
        """Return for whom it is done, and counted."""
        return self.peer.uid

    @property
    def subject(self) -> str:
        """Return what it is about, for an error."""
        return self.request.resource


class LookUp(Struct, frozen=True):
    """The name of a user is to be found out."""

    uid: int

    @property
    def subject(self) -> str:
        """Return what it is about, for an error."""
        return f"the name of uid {self.uid}"


class Discard(Struct, frozen=True):
    """The descriptors that come with this are to be closed, as soon as the daemon has done so."""


Task = Job | Intake | LookUp
"""What somebody waits for."""


def pack(task: Task | Discard) -> bytes:
    """Return a job for a child."""
    return pickle.dumps(task)


def unpack(data: bytes) -> Task | Discard:
    """Return a job that was packed, by the process that forked us."""
    task = pickle.loads(data)  # noqa: S301 (see above)
    assert isinstance(task, Job | Intake | LookUp | Discard)
    return task
