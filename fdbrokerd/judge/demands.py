# SPDX-License-Identifier: MIT
"""What a store asks of the descriptors that it takes, beyond that they are safe."""

import os

from fdbrokerd.judge.fdinfo import fdinfo
from fdbrokerd.judge.judged import Judged, Refused
from fdbrokerd.judge.memory import seals_of
from fdbrokerd.model.holding import READ_ONLY_TYPES

_UNWRITABLE = frozenset({"write", "future-write"})
_UNCUTTABLE = frozenset({"shrink", "grow"})
"""A seal against writing alone leaves ftruncate(2) to whoever opens it anew."""
_FOREIGN_WRITE = 0o022


def check(
    number: int, judged: Judged, accept: frozenset[str], seals: frozenset[str], *, read_only: bool
) -> None:
    """Raise Refused where what was judged is not what a store takes.

    `seals` are asked of a memfd. `read_only`: others get a descriptor that only reads, and must not
    be able to make one that writes out of it (open(2) of /proc/self/fd/N).
    """
    if judged.type not in accept:
        taken = ", ".join(sorted(accept)) or "nothing"
        raise Refused(f"of type {judged.type} ({judged.what}); taken here: {taken}")
    if judged.type == "memfd":
        _check_seals(frozenset(seals_of(number)), seals, read_only=read_only)
    elif read_only:
        if judged.type not in READ_ONLY_TYPES:
            raise Refused(f"type {judged.type} cannot be shared for reading only")
        _check_file(number)


def _check_seals(got: frozenset[str], seals: frozenset[str], *, read_only: bool) -> None:
    if missing := seals - got:
        raise Refused(
            f"not sealed: add {' and '.join(_flag(one) for one in sorted(missing))} first"
        )
    if not read_only:
        return
    if got.isdisjoint(_UNWRITABLE):
        raise Refused(
            "shared for reading only, and can be written: add F_SEAL_WRITE or "
            "F_SEAL_FUTURE_WRITE first"
        )
    if missing := _UNCUTTABLE - got:
        raise Refused(
            "shared for reading only, and its size can be changed: add "
            f"{' and '.join(_flag(one) for one in sorted(missing))} first"
        )


def _flag(seal: str) -> str:
    return f"F_SEAL_{seal.upper().replace('-', '_')}"


def _check_file(number: int) -> None:
    """Check a file that was judged, so fstat(2) is safe.

    One that is not readable must not become so by being opened anew, by root.
    """
    if not fdinfo(number).readable:
        raise Refused("shared for reading, and not opened for reading: open it with O_RDONLY")
    mode = os.fstat(number).st_mode
    if mode & _FOREIGN_WRITE:
        raise Refused(
            f"shared for reading only, and others may write to it (mode {mode & 0o7777:04o}): "
            "chmod go-w first"
        )
