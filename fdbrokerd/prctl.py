# SPDX-License-Identifier: MIT
"""What a process says of itself to the kernel: prctl(2), which Python does not have."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15

_prctl = ctypes.CDLL(None).prctl


def end_with(parent: int) -> None:
    """Be killed when the parent ends; end at once if it has.

    It is lost for a parent that ended before, so that is looked at afterwards, and by a change of
    ids, after which this is to be called again.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def set_name(name: bytes) -> None:
    """Set what `ps` calls this process, at most 15 bytes."""
    _prctl(_PR_SET_NAME, name, 0, 0, 0)


def hide() -> None:
    """Keep processes of the same user from tracing this one and taking its descriptors.

    ptrace(2) and pidfd_getfd(2) are refused without CAP_SYS_PTRACE, /proc/PID/fd and the like
    become root's, and there is no core file. Children inherit it.
    """
    _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
