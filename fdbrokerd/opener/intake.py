# SPDX-License-Identifier: MIT
"""What is to be received from a peer, and what was."""

from collections.abc import Iterator

from msgspec import Struct

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import Judged, Own


class Intake(Struct, frozen=True):
    """The descriptors of an item are to be received and judged.

    `names` in order, each once; `accept` the types that are taken; `seals` those that a memfd must
    have; `read_only`: none that can be written, or be opened anew for writing. `uid` is for whom it
    is done, `own` what is never taken, and `pid` who sends, whose mounts may be looked at.
    """

    names: tuple[str, ...]
    accept: frozenset[str]
    seals: frozenset[str]
    read_only: bool
    uid: int
    item: str
    own: Own
    pid: int | None = None

    @property
    def subject(self) -> str:
        """Return what it is about, for an error."""
        return self.item


class Received:
    """What a peer sent, owned, and what it was judged to be; in the order of the names.

    Not to be closed here: whoever closes one last may wait for it (see `Pool.dismiss`).
    """

    __slots__ = ("descriptors", "judged", "names")

    def __init__(
        self,
        names: tuple[str, ...],
        descriptors: tuple[OwnedFd, ...],
        judged: tuple[Judged, ...],
    ) -> None:
        self.names = names
        self.descriptors = descriptors
        self.judged = judged

    @property
    def parts(self) -> Iterator[tuple[str, OwnedFd, Judged]]:
        """Return each name with its descriptor and its judgement."""
        return zip(self.names, self.descriptors, self.judged, strict=True)

    def close(self) -> None:
        """Close every descriptor: for what cannot block, in tests say."""
        close_all(self.descriptors)
