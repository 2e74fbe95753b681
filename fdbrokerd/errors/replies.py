# SPDX-License-Identifier: MIT
"""The error replies: each with its name on the wire, its exit status and its sentence."""

from errno import errorcode

from fdbrokerd.errors import (
    EX_CANTCREAT,
    EX_CONFIG,
    EX_DATAERR,
    EX_NOINPUT,
    EX_NOPERM,
    EX_OSERR,
    EX_TEMPFAIL,
    EX_USAGE,
    ConfigurationError,
    Error,
)


class CallError(Error):
    """An error reply.

    Keyword arguments are the parameters; what the class does not annotate is refused, what is left
    out is None, so that a reply of a newer broker still makes an exception. `sentence` is for a
    person, with parameters in braces; without one they are listed.
    """

    wire_name = ""
    exit_status = EX_DATAERR
    sentence = ""

    def __init__(self, **parameters: object) -> None:
        for name in self.names():
            setattr(self, name, parameters.pop(name, None))
        if parameters:
            raise TypeError(f"{type(self).__name__} has no parameter {min(parameters)!r}")
        super().__init__()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the parameters, in the order of the interface."""
        return tuple(cls.__annotations__)

    def parameters(self) -> dict[str, object]:
        """Return the parameters for the wire; what is None is left out, as Varlink has it."""
        values = {name: getattr(self, name) for name in self.names()}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        """Return a sentence for a person."""
        parameters = self.parameters()
        if self.sentence:
            return self.sentence.format_map(
                {name: parameters.get(name, "") for name in self.names()}
            )
        told = ", ".join(f"{name} {value}" for name, value in parameters.items())
        return f"{self.wire_name or type(self).__name__}{': ' if told else ''}{told}"


class Denied(CallError):
    """No rule allows it, or one denies it. An unknown resource looks the same."""

    wire_name = "io.fdbroker.Broker.Denied"
    exit_status = EX_NOPERM
    sentence = "denied: {resource}: no rule allows this"
    resource: str
    hint: str | None
    request: str


class Busy(CallError):
    """Somebody else has it, or too much is under way; trying again may help."""

    wire_name = "io.fdbroker.Broker.Busy"
    exit_status = EX_TEMPFAIL
    sentence = "{resource} is busy; try again"
    resource: str


class LimitReached(CallError):
    """A limit of a rule or of the broker; `limit` is its name."""

    wire_name = "io.fdbroker.Broker.LimitReached"
    exit_status = EX_TEMPFAIL
    sentence = "limit reached: {limit}"
    limit: str


class Unavailable(CallError):
    """It is allowed, and not there now: nobody at the other end of a FIFO or socket."""

    wire_name = "io.fdbroker.Broker.Unavailable"
    exit_status = EX_TEMPFAIL
    sentence = "{resource} is not available now"
    resource: str


class TimedOut(CallError):
    """It took longer than it may: a file system that does not answer, a peer that does not come."""

    wire_name = "io.fdbroker.Broker.TimedOut"
    exit_status = EX_TEMPFAIL
    sentence = "timed out: {resource}"
    resource: str


class NoSuchItem(CallError):
    """There is no such item; only a peer that may use it is told."""

    wire_name = "io.fdbroker.Broker.NoSuchItem"
    exit_status = EX_NOINPUT
    sentence = "there is no {item}"
    item: str


class ItemExists(CallError):
    """A Put without `replace` of an item that is there."""

    wire_name = "io.fdbroker.Broker.ItemExists"
    exit_status = EX_CANTCREAT
    sentence = "{item} is there already"
    item: str


class NoAnswer(TimedOut):
    """The client's own limit passed; `resource` is what was waited for. Never on the wire."""

    sentence = "no answer from the broker in time: {resource}"
    resource: str


class InvalidArgument(CallError):
    """An argument that is unknown or of the wrong form, or a descriptor that is not taken."""

    wire_name = "io.fdbroker.Broker.InvalidArgument"
    exit_status = EX_USAGE
    sentence = "argument {argument}: {reason}"
    argument: str
    reason: str


class OpenFailed(CallError):
    """The rules allow it, the system did not."""

    wire_name = "io.fdbroker.Broker.OpenFailed"
    exit_status = EX_OSERR
    sentence = "{resource} could not be opened: {errnoName}"
    resource: str
    errno: int
    errnoName: str

    @classmethod
    def of(cls, resource: str, errno: int) -> "OpenFailed":
        """Return the error for an errno value; the name is the kernel's, never a path or a text."""
        return cls(resource=resource, errno=errno, errnoName=errorcode.get(errno, str(errno)))


class DescriptorsMissing(CallError):
    """Fewer descriptors arrived than were announced: the descriptor limit, or a security module."""

    wire_name = "io.fdbroker.Broker.DescriptorsMissing"
    exit_status = EX_DATAERR
    sentence = (
        "{received} of {expected} descriptors arrived: the limit on open files (ulimit -n, "
        "LimitNOFILE=) is reached, or a security module keeps them back"
    )
    expected: int
    received: int


class ReloadFailed(CallError):
    """The new rules are refused; the old ones stay in force. Carries the first mistake."""

    wire_name = "io.fdbroker.Manager.ReloadFailed"
    exit_status = EX_CONFIG
    file: str
    line: int
    column: int
    message: str

    @classmethod
    def of(cls, error: Exception) -> "ReloadFailed":
        """Return the error for what went wrong: a mistake with its place, or anything else."""
        if not isinstance(error, ConfigurationError):
            error = ConfigurationError(str(error))
        message = error.message
        if more := len(error.mistakes) - 1:
            message += f" (and {more} more: fdbrokerctl check)"
        return cls(file=error.file, line=error.line, column=error.column, message=message)

    def __str__(self) -> str:
        """Return `file:line:column: message`."""
        return str(ConfigurationError(self.message, self.file, self.line, self.column))


class NotFound(CallError):
    """There is no such process, or no denial with this id among the recent ones."""

    wire_name = "io.fdbroker.Manager.NotFound"
    exit_status = EX_NOINPUT
    sentence = "there is no {what}"
    what: str


class InterfaceNotFound(CallError):
    """No such interface is served here."""

    wire_name = "org.varlink.service.InterfaceNotFound"
    interface: str


class MethodNotFound(CallError):
    """The interface has no such method."""

    wire_name = "org.varlink.service.MethodNotFound"
    method: str


class InvalidParameter(CallError):
    """A parameter is missing, unknown or of the wrong type."""

    wire_name = "org.varlink.service.InvalidParameter"
    parameter: str


class PermissionDenied(CallError):
    """The interface is not for this peer."""

    wire_name = "org.varlink.service.PermissionDenied"
    exit_status = EX_NOPERM
    sentence = "this is for administrators only (root, and the broker's `admins`)"


class ExpectedMore(CallError):
    """The method answers many times, and the call did not say `more`."""

    wire_name = "org.varlink.service.ExpectedMore"


def wire_errors() -> dict[str, type[CallError]]:
    """Return every error reply's class by its name on the wire."""
    return {cls.wire_name: cls for cls in CallError.__subclasses__()}
