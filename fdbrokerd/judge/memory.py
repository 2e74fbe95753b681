# SPDX-License-Identifier: MIT
"""A memfd: its name, its size and its seals."""

import os
from fcntl import F_GET_SEALS, fcntl

from fdbrokerd.judge.fdinfo import FdInfo
from fdbrokerd.judge.judged import Judged
from fdbrokerd.judge.shown import shown
from fdbrokerd.model.holding import SEALS

PREFIX = "/memfd:"
_SUFFIX = " (deleted)"


def judge_memory(number: int, link: str, info: FdInfo) -> Judged:
    """Judge what is known to be a memfd."""
    name = shown(link.removeprefix(PREFIX).removesuffix(_SUFFIX))
    text = f"memfd {name} {os.fstat(number).st_size} bytes"
    if info.flags & os.O_ACCMODE == os.O_RDONLY:
        text += ", read only"
    sealed = seals_of(number)
    return Judged("memfd", text + (f", sealed {' '.join(sealed)}" if sealed else ""))


def seals_of(number: int) -> tuple[str, ...]:
    """Return the names of a memfd's seals.

    For what is known to be one: any other file on tmpfs or hugetlbfs answers too.
    """
    bits = fcntl(number, F_GET_SEALS)
    return tuple(name for bit, name in enumerate(SEALS) if bits & 1 << bit)
