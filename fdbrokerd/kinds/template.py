# SPDX-License-Identifier: MIT
"""Paths with `${…}` in them."""

import re
from collections.abc import Mapping
from errno import EINVAL

from msgspec import Struct

from fdbrokerd.accounts import user_name
from fdbrokerd.model.argument import unsafe
from fdbrokerd.model.key import KeyRefused
from fdbrokerd.model.peer import Peer

_PART = re.compile(r"\$\{([A-Za-z0-9._-]*)\}|(\$)")
PEER_WORDS = frozenset({"user", "uid", "gid"})


class Template(Struct, frozen=True):
    """A path as pieces: text at even places, names at odd ones."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, key: str, text: str, arguments: frozenset[str]) -> "Template":
        """Return the template of a path. Raises KeyRefused for an unknown name or a stray `$`."""
        pieces: list[str] = []
        at = 0
        for found in _PART.finditer(text):
            name = found[1]
            if name is None:
                raise KeyRefused(key, "a '$' that begins no ${NAME}")
            if name not in PEER_WORDS | arguments:
                known = ", ".join(sorted(PEER_WORDS | arguments))
                raise KeyRefused(key, f"${{{name}}} is unknown; known here: {known}")
            pieces += (text[at : found.start()], name)
            at = found.end()
        return cls((*pieces, text[at:]))

    @property
    def fixed(self) -> bool:
        """Tell whether the path is the same for everybody."""
        return len(self.pieces) == 1

    @property
    def names_user(self) -> bool:
        """Tell whether the name service is needed."""
        return "user" in self.pieces[1::2]

    def fill(self, peer: Peer, arguments: Mapping[str, str]) -> str:
        """Return the path for a peer. Raises OSError(EINVAL) where a value is missing or unsafe."""
        if self.fixed:
            return self.pieces[0]
        filled = list(self.pieces)
        for index in range(1, len(filled), 2):
            value = _value(filled[index], peer, arguments)
            problem = "is missing" if value is None else unsafe(value)
            if problem or value is None:
                raise OSError(EINVAL, f"${{{filled[index]}}} {problem}")
            filled[index] = value
        return "".join(filled)


def _value(name: str, peer: Peer, arguments: Mapping[str, str]) -> str | None:
    if name in arguments:
        return arguments[name]
    if name == "user":
        return user_name(peer.uid)
    return {"uid": str(peer.uid), "gid": str(peer.gid)}.get(name)
