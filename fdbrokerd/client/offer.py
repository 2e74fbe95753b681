# SPDX-License-Identifier: MIT
"""Descriptors that are to be put, by name. They stay their owner's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from errno import EBADF
from fcntl import F_GETFD, fcntl

from fdbrokerd.errors import UsageError
from fdbrokerd.wire import MAX_DESCRIPTORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from _typeshed import FileDescriptorLike

    Descriptors: TypeAlias = FileDescriptorLike | Mapping[str, FileDescriptorLike]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""As resources are named; a test holds the two together. No colon: LISTEN_FDNAMES divides by it."""

ONLY_NAME = "fd"
"""What a descriptor is called that is given without a name."""


class Offer:
    """The names and numbers of what is to be put, each open and none named twice."""

    __slots__ = ("names", "numbers")

    def __init__(self, descriptors: Descriptors) -> None:
        """Look at what is given. Raises UsageError."""
        given = descriptors if isinstance(descriptors, Mapping) else {ONLY_NAME: descriptors}
        if not given:
            raise UsageError("no descriptors to put")
        if len(given) > MAX_DESCRIPTORS:
            raise UsageError(f"{len(given)} descriptors: at most {MAX_DESCRIPTORS} at once")
        for name in given:
            check_name(name)
        self.names = tuple(given)
        self.numbers = tuple(open_number(one) for one in given.values())


def check_name(name: str) -> None:
    """Raise UsageError for what is no descriptor's name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"not a descriptor's name: {name!r}: give letters, digits, '.', '_' and '-', "
            "at most 64, the first a letter or a digit"
        )


def open_number(descriptor: FileDescriptorLike) -> int:
    """Return the number of a descriptor. Raises UsageError where it is not open."""
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    try:
        fcntl(number, F_GETFD)
    except (OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", EBADF) != EBADF:
            raise
        raise UsageError(f"the descriptor {number} is not open") from error
    return number
