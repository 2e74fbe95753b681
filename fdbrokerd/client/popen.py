# SPDX-License-Identifier: MIT
"""Starting a program with descriptors at the numbers that it wants, whatever they are here.

Rules of this file:

- The caller's descriptors are copied, to numbers that nobody wants, before anything is moved: so
  they can be swapped, and no move closes what another one needs.
- A wanted number that is free here is held meanwhile. Otherwise `subprocess` could get it for the
  pipe by which the child says that the program cannot be run, and the child would overwrite that.
- The numbers from 3 are moved in the child, after the fork, by dup2(2) and nothing else: a list
  that was made before, no lock, nothing opened or imported. A fork in a program with threads bears
  that. Moving them here, before the fork, would let other threads see and lose their own numbers;
  a program between ours and the one that is started would need another interpreter, or a shell,
  which knows numbers of one digit only; and posix_spawn(3) makes no `Popen`.
- Where nothing from 3 on changes its number, nothing is run in the child, and vfork(2) serves.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from errno import EINVAL
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import TYPE_CHECKING, Any

from fdbrokerd.client.offer import open_number
from fdbrokerd.errors import UsageError
from fdbrokerd.fd import OwnedFd

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_STREAMS = ("stdin", "stdout", "stderr")
_OURS = ("pass_fds", "close_fds", "preexec_fn")


def popen(
    arguments: "Sequence[str | os.PathLike[str]] | str",
    descriptors: "Mapping[int, FileDescriptorLike]",
    **options: Any,
) -> "subprocess.Popen[Any]":
    """Start a program that has each descriptor at its number, and no other from 3 on.

    What is given stays the caller's. Numbers may be swapped ({3: four, 4: three}), and 0 to 2 are
    the standard streams. The options are those of `subprocess.Popen`, but for pass_fds, close_fds
    and preexec_fn, and a stream that has a descriptor. Raises UsageError, and what Popen raises.
    """
    _check(descriptors, options)
    with ExitStack() as stack:
        away = {
            number: stack.enter_context(_copy(open_number(one), descriptors)).fileno()
            for number, one in descriptors.items()
        }
        for number in descriptors:
            _hold(number, away[number], stack)
        for number, name in enumerate(_STREAMS):
            if number in away:
                options[name] = away.pop(number)
        stays = all(open_number(descriptors[number]) == number for number in away)
        return subprocess.Popen(
            arguments,
            pass_fds=tuple(away),
            preexec_fn=None if stays else _mover(away),  # noqa: PLW1509 (see above)
            **options,
        )


def _check(descriptors: "Mapping[int, FileDescriptorLike]", options: Mapping[str, object]) -> None:
    for name in _OURS:
        if name in options:
            raise UsageError(f"popen: {name} follows from the descriptors")
    for number in descriptors:
        if number < 0:
            raise UsageError(f"not a descriptor's number: {number}")
        if number < len(_STREAMS) and options.get(_STREAMS[number]) is not None:
            raise UsageError(f"popen: {_STREAMS[number]} is given, and a descriptor for {number}")


def _copy(borrowed: int, wanted: "Mapping[int, FileDescriptorLike]") -> OwnedFd:
    """Return a close-on-exec copy at a number from 3 on that is not wanted."""
    lowest = len(_STREAMS)
    while True:
        copy = OwnedFd(fcntl(borrowed, F_DUPFD_CLOEXEC, lowest))
        if copy.fileno() not in wanted:
            return copy
        lowest = copy.fileno() + 1
        copy.close()


def _hold(number: int, borrowed: int, stack: ExitStack) -> None:
    """Hold a number until the stack ends, unless it is in use here."""
    try:
        held = stack.enter_context(OwnedFd(fcntl(borrowed, F_DUPFD_CLOEXEC, number)))
    except OSError as error:
        if error.errno != EINVAL:
            raise
        raise UsageError(f"the number {number} is above the limit on open files") from error
    if held.fileno() != number:
        held.close()


def _mover(away: Mapping[int, int]) -> Callable[[], None]:
    moves = tuple((here, number) for number, here in away.items())

    def move() -> None:
        for here, number in moves:
            os.dup2(here, number)

    return move
