# SPDX-License-Identifier: MIT
"""The daemon's own settings as values, with their defaults and the reasons for those."""

from msgspec import Struct

from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import Place

DIRECTORIES = (
    "/usr/lib/fdbrokerd/rules.d",
    "/run/fdbrokerd/rules.d",
    "/etc/fdbrokerd/rules.d",
)
"""Packages', this boot's, the administrator's: rising priority."""

MAX_CONNECTIONS = 2048
"""As many as the system's D-Bus allows. Each costs two descriptors and some kilobytes."""

MAX_CONNECTIONS_PER_UID = 256
"""As D-Bus has it: far more than one user's programs need, and an eighth of what there is."""

MESSAGE_SECONDS = 10
"""From the first byte of a call to its last: a call is written at once, also by a slow machine."""

REPLY_SECONDS = 10
"""Until a peer that does not read is hung up: its descriptors are held open meanwhile."""

DEFAULT_MODE = 0o666
"""Everybody may connect and be told no, as with D-Bus: the rules decide, not the socket."""


class Listener(Struct, frozen=True):
    """An address to listen at. `place` is where its resources were listed."""

    address: str
    mode: int = DEFAULT_MODE
    resources: tuple[str, ...] = ("*",)
    place: Place | None = None

    def __eq__(self, other: object) -> bool:
        """Tell whether it says the same, wherever it is written."""
        return isinstance(other, Listener) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[object, ...]:
        return self.address, self.mode, self.resources


class Limits(Struct, frozen=True):
    """What peers can make the broker hold."""

    connections: int = MAX_CONNECTIONS
    connections_per_uid: int = MAX_CONNECTIONS_PER_UID
    message_seconds: int = MESSAGE_SECONDS
    reply_seconds: int = REPLY_SECONDS


class Audit(Struct, frozen=True):
    """Where the record of each request goes, and whether there is no reply without it."""

    journal: bool = True
    file: str | None = None
    required: bool = False


class Settings(Struct, frozen=True):
    """All of it. `admins` is None where only root is one."""

    listen: tuple[Listener, ...] = (
        Listener("@fdbrokerd"),
        Listener("/run/fdbrokerd/io.fdbroker"),
    )
    rules_dirs: tuple[str, ...] = DIRECTORIES
    admins: PeerMatch | None = None
    limits: Limits = Limits()
    audit: Audit = Audit()

    @classmethod
    def default(cls) -> "Settings":
        """Return the settings of a broker without a file."""
        return cls()
