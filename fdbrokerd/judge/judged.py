# SPDX-License-Identifier: MIT
"""A judgement as a value, and the refusal."""

import msgspec

from fdbrokerd.errors import Error


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a descriptor is: one of `model.holding.TYPES`, and a printable line for a person."""

    type: str
    what: str


class Own(msgspec.Struct, frozen=True):
    """What is the broker's: its pid, and its addresses as `@name` or a path."""

    pid: int
    addresses: frozenset[str] = frozenset()


class Refused(Error):
    """A descriptor that is not taken; `reason` says what it is and, where it helps, what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
