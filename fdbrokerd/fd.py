# SPDX-License-Identifier: MIT
"""One owner for each descriptor, closed exactly once.

A descriptor in a variable is either an `int`, borrowed for the length of a call, or an `OwnedFd`.
Only the owner closes. This is the only file of the package that calls close(2); a test says so.

`posix` is what `os` is made of; importing that one takes a quarter of a client's start.
"""

from __future__ import annotations

import posix
from errno import EBADF

# Not `from typing import TYPE_CHECKING`: the clients start without typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

Rights = list[tuple[int, int, bytes]]
"""What sendmsg(2) attaches: SCM_RIGHTS with the numbers of borrowed descriptors, or nothing."""

_GONE = -1


class OwnedFd:
    """A descriptor and the duty to close it.

    The number is overwritten before the kernel is told, so that a late use is EBADF and never the
    descriptor that got the number next (as trio's `_FdHolder` does). Descriptor 0 is a descriptor.
    """

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number
        if number < 0:
            self._number = _GONE
            raise ValueError(f"not a descriptor: {number}")

    @classmethod
    def copy_of(cls, number: int) -> OwnedFd:
        """Return a close-on-exec duplicate of a borrowed descriptor.

        Python's dup is F_DUPFD_CLOEXEC on Linux, at a third of the price of fcntl's (PEP 446).
        """
        return cls(posix.dup(number))

    def fileno(self) -> int:
        """Return the number, still owned here. ValueError once closed or detached."""
        if self._number == _GONE:
            raise ValueError("the descriptor was closed or detached")
        return self._number

    def detach(self) -> int:
        """Return the number and give up the duty to close it."""
        number = self.fileno()
        self._number = _GONE
        return number

    def close(self) -> None:
        """Close it; a second close does nothing.

        EINTR, EIO and ENOSPC from close(2) are nothing to act on: Linux has freed the number. EBADF
        is a bug of ours, somebody else closed it, and is raised.
        """
        number, self._number = self._number, _GONE
        if number == _GONE:
            return
        try:
            posix.close(number)
        except OSError as error:
            if error.errno == EBADF:
                raise

    @property
    def closed(self) -> bool:
        """Tell whether it was closed or detached."""
        return self._number == _GONE

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._number != _GONE:
            try:
                import warnings  # noqa: PLC0415 (the clients start without it)
            except ImportError:  # the interpreter ends, and nothing can be imported any more
                self.close()
                return
            text = f"{self!r} was never closed"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<OwnedFd {'closed' if self.closed else self._number}>"


def close_all(owned: Iterable[OwnedFd]) -> None:
    """Close each of them, whatever the others do."""
    for one in owned:
        one.close()
