# SPDX-License-Identifier: MIT
"""What to say where the connection was lost during a Commit."""

from fdbrokerd.errors import Busy, CallError, Error, NoAnswer, Unreachable


def doubt(lost: Error, again: Error) -> Unreachable:
    """Return the error for a Commit that was lost, and what became of repeating it."""
    if isinstance(again, CallError) and not isinstance(again, (Busy, NoAnswer)):
        return Unreachable(f"{lost}; the broker knows of no Commit, so nothing was changed")
    return Unreachable(f"{lost} of whether it was committed, and cannot be asked again: {again}")
