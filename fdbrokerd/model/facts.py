# SPDX-License-Identifier: MIT
"""What is known of a peer's process, beside its ids."""

from enum import Enum

from msgspec import Struct


class Unknown(Enum):
    """What could not be determined. It is neither true nor false of anything."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN

Fact = str | None | Unknown
"""A value, None for a process that has none (no unit, no container), or unknown."""


class Facts(Struct, frozen=True, cache_hash=True):
    """As they were when the peer connected; all unknown where no rule asks for any."""

    unit: Fact = UNKNOWN
    user_unit: Fact = UNKNOWN
    slice: Fact = UNKNOWN
    cgroup: Fact = UNKNOWN
    container: Fact = UNKNOWN
    label: Fact = UNKNOWN
    exe: Fact = UNKNOWN

    def of(self, key: str) -> Fact:
        """Return the fact that a key of the rules is about (`user-unit`)."""
        value: Fact = getattr(self, key.replace("-", "_"))
        return value


KEYS = ("unit", "user-unit", "slice", "cgroup", "container", "label", "exe")
"""The keys of the rules that are about facts."""


def shown(fact: str) -> str:
    """Return a fact for people: a cgroup's or program's name is whatever its maker wrote.

    Otherwise one with a newline would write lines of its own into an explanation.
    """
    if fact.isprintable():
        return fact
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode()
        for one in fact
    )


NO_FACTS = Facts()
