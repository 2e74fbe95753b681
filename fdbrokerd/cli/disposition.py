# SPDX-License-Identifier: MIT
"""What signals do to a client: what they do to every other program, not what Python makes of them.

`_signal` is what `signal` is made of; importing that one makes enums of its numbers, which takes a
third of a client's start.
"""

from _signal import (  # type: ignore[import-not-found]
    SIG_DFL,
    SIG_UNBLOCK,
    SIGINT,
    SIGPIPE,
    SIGXFSZ,
    default_int_handler,
    getsignal,
    pthread_sigmask,
    signal,
)
from posix import getpid, kill


def be_ordinary() -> None:
    """End by SIGINT and SIGPIPE, without a traceback; an ignored SIGINT stays ignored."""
    if getsignal(SIGINT) is default_int_handler:
        signal(SIGINT, SIG_DFL)
    signal(SIGPIPE, SIG_DFL)


def restore_for_exec() -> None:
    """Undo what Python ignores, and exec(2) would keep so."""
    for number in (SIGPIPE, SIGXFSZ):
        signal(number, SIG_DFL)


def die_by(number: int) -> None:
    """End as a signal ends a process, so that the caller's shell sees it."""
    signal(number, SIG_DFL)
    pthread_sigmask(SIG_UNBLOCK, {number})
    kill(getpid(), number)
