# SPDX-License-Identifier: MIT
"""Several of the same in one answer: as many as were asked for, all or none."""

from collections.abc import Callable, Mapping

from fdbrokerd.fd import OwnedFd
from fdbrokerd.opened import Opened


def numbered(count: int, make: Callable[[], Mapping[str, OwnedFd]]) -> Opened:
    """Return what `make` returns, so many times; of several the names are numbered from 0."""
    descriptors: dict[str, OwnedFd] = {}
    try:
        for index in range(count):
            suffix = "" if count == 1 else str(index)
            descriptors |= {f"{name}{suffix}": one for name, one in make().items()}
    except BaseException:
        Opened(descriptors).close()
        raise
    return Opened(descriptors)
