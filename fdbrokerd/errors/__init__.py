# SPDX-License-Identifier: MIT
"""What can go wrong, each with its name on the wire, its exit status and its sentence.

Here is what is found on this side of a socket. `replies` has the error replies: `CallError` and the
classes below it, which are all that crosses one. The parameters of a reply are exactly the
annotations of its class, as the .varlink files give them; a test holds the two together.

The replies are loaded when one of them is first named: a client that gets what it asks for needs
none, and they are an eighth of what it imports. It names them by this module, `errors.Denied`,
where one is raised or caught.
"""

# Not `from typing import TYPE_CHECKING`: the clients start without typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.errors.replies import (
        Busy,
        CallError,
        Denied,
        DescriptorsMissing,
        ExpectedMore,
        InterfaceNotFound,
        InvalidArgument,
        InvalidParameter,
        ItemExists,
        LimitReached,
        MethodNotFound,
        NoAnswer,
        NoSuchItem,
        NotFound,
        OpenFailed,
        PermissionDenied,
        ReloadFailed,
        TimedOut,
        Unavailable,
        wire_errors,
    )

__all__ = [
    "EX_CANNOT_RUN",
    "EX_CANTCREAT",
    "EX_CONFIG",
    "EX_DATAERR",
    "EX_NOINPUT",
    "EX_NOPERM",
    "EX_NOT_FOUND",
    "EX_OSERR",
    "EX_TEMPFAIL",
    "EX_UNAVAILABLE",
    "EX_USAGE",
    "Busy",
    "CallError",
    "ConfigurationError",
    "Denied",
    "DescriptorsMissing",
    "Error",
    "ExpectedMore",
    "InterfaceNotFound",
    "InvalidArgument",
    "InvalidParameter",
    "ItemExists",
    "LimitReached",
    "MessageTooLong",
    "MethodNotFound",
    "NoAnswer",
    "NoSuchItem",
    "NotFound",
    "OpenFailed",
    "PermissionDenied",
    "ProtocolError",
    "ReloadFailed",
    "TimedOut",
    "Unavailable",
    "Unreachable",
    "UsageError",
    "WrongServer",
    "wire_errors",
]

EX_USAGE = 64
EX_DATAERR = 65
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_OSERR = 71
EX_CANTCREAT = 73
EX_TEMPFAIL = 75
EX_NOPERM = 77
EX_CONFIG = 78
"""Exit statuses, as sysexits.h names them. 126 and 127 are the shell's."""
EX_CANNOT_RUN = 126
EX_NOT_FOUND = 127


class Error(Exception):
    """Everything that this project raises on purpose."""

    exit_status = EX_OSERR


class ConfigurationError(Error):
    """A rule file or a setting that is refused, and where.

    Whoever reads whole files goes on after a mistake and raises the first one with the `others`, so
    that a person sees all of them at once and a reply carries one.
    """

    exit_status = EX_CONFIG

    def __init__(
        self,
        message: str,
        file: str = "",
        line: int = 0,
        column: int = 0,
        others: "tuple[ConfigurationError, ...]" = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.others = others

    @property
    def mistakes(self) -> "tuple[ConfigurationError, ...]":
        """Return this one and the others, in the order of files and lines."""
        return (self, *self.others)

    def __str__(self) -> str:
        """Return `file:line:column: message`, as compilers do, so that editors can jump there."""
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{where}: {self.message}" if where else self.message


class UsageError(Error):
    """A command line that cannot be meant."""

    exit_status = EX_USAGE


class Unreachable(Error):
    """No broker answers at the address."""

    exit_status = EX_UNAVAILABLE


class WrongServer(Unreachable):
    """The server is neither root, nor the caller, nor the uid that was told."""


class ProtocolError(Error):
    """The other end sent what the protocol does not allow."""

    exit_status = EX_DATAERR


class MessageTooLong(ProtocolError):
    """More bytes than a message may have arrived without its end."""


def __getattr__(name: str) -> object:
    """Load the error replies (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fdbrokerd.errors import replies  # noqa: PLC0415 (see above)

    value: object = getattr(replies, name)
    globals()[name] = value
    return value
