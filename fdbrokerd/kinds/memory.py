# SPDX-License-Identifier: MIT
"""New memory with a descriptor, memfd_create(2)."""

import os
from errno import EINVAL

from fdbrokerd.fd import OwnedFd

MFD_NOEXEC_SEAL = 0x8
"""Linux 6.3: mode 0666 and never executable. EINVAL before that."""


def new_memory(name: str) -> OwnedFd:
    """Return empty memory that can be sealed, and executed only where the kernel is too old."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return OwnedFd(os.memfd_create(name, flags | MFD_NOEXEC_SEAL))
    except OSError as error:
        if error.errno != EINVAL:
            raise
    return OwnedFd(os.memfd_create(name, flags))
