# SPDX-License-Identifier: MIT
"""JSON to typed calls, and answers to JSON. The one decoder of what peers write.

Every rule of the wire's JSON is here: strict types, no unknown key, `parameters: null` is `{}`, of
duplicate keys the last one counts. What is not JSON is NotJson, and hung up on; JSON of the wrong
shape is an InvalidParameter reply.
"""

import re
from typing import Any

import msgspec

from fdbrokerd.calls import (
    METHODS,
    Commit,
    Envelope,
    Explain,
    ExplainOther,
    Get,
    GetInterfaceDescription,
    Parameters,
    Put,
    Release,
    Remove,
    Take,
    Watch,
    WhoCan,
)
from fdbrokerd.errors import (
    CallError,
    InterfaceNotFound,
    InvalidParameter,
    MethodNotFound,
    ProtocolError,
)
from fdbrokerd.interfaces import NAMES
from fdbrokerd.model.resource import RESOURCE_NAME

MAX_NAME_CHARACTERS = 256
"""A store and an item's path; what is longer is no name, whatever it names."""

MAX_ARGUMENTS = 64
"""A resource has a handful."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What must not reach a terminal or begin a new line of a log: C0, DEL, C1, the line separators and
what turns the direction of writing. No string of a call ever holds one."""


class NotJson(ProtocolError):
    """Bytes that are not one JSON object."""


_NAMES: dict[type[Parameters], tuple[str, ...]] = {
    Get: ("resource",),
    Explain: ("resource", "do"),
    ExplainOther: ("do",),
    WhoCan: ("resource", "do"),
    Put: ("item",),
    Take: ("item",),
    Remove: ("item",),
    Watch: ("resource",),
    Commit: ("transaction",),
    Release: ("grant",),
    GetInterfaceDescription: ("interface",),
}
"""The parameters that are one name each."""

_envelope = msgspec.json.Decoder(Envelope)
_parameters = {method: msgspec.json.Decoder(of) for method, of in METHODS.items()}
_anything = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_AT = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")


class Call:
    """One call: its method, and its parameters or what is wrong with it.

    A call whose frame is sound and whose content is not carries `problem`, the error to reply with.
    """

    __slots__ = ("decided", "method", "more", "oneway", "parameters", "problem")

    def __init__(
        self,
        method: str,
        parameters: Parameters | None,
        *,
        oneway: bool = False,
        more: bool = False,
        problem: CallError | None = None,
    ) -> None:
        self.decided: object = None
        """What came of it when it was asked before, for whoever answers it."""
        self.more = more
        self.method = method
        self.parameters = parameters
        self.oneway = oneway
        self.problem = problem


def decode(data: bytes) -> Call:
    """Return the call that a message holds. Raises NotJson for what is not a JSON object."""
    try:
        envelope = _envelope.decode(data)
        if not data.isascii():
            data.decode()  # msgspec does not look into a value that another of its key replaces
    except msgspec.ValidationError as error:
        return Call("", None, problem=_not_an_envelope(data, error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from error
    method = envelope.method
    if not method or len(method) > MAX_NAME_CHARACTERS or CONTROL.search(method):
        return Call("", None, problem=InvalidParameter(parameter="method"))
    try:
        parameters = _decode_parameters(method, envelope.parameters)
    except CallError as problem:
        return Call(method, None, oneway=envelope.oneway, problem=problem)
    return Call(method, parameters, oneway=envelope.oneway, more=envelope.more)


def _not_an_envelope(data: bytes, error: msgspec.ValidationError) -> CallError:
    """Return the reply for a frame of the wrong shape, having read it whole: it may not be JSON."""
    if not isinstance(_whole(data), dict):
        raise NotJson("not a JSON object") from error
    return InvalidParameter(parameter=_where(error) or "method")


def _whole(data: bytes) -> Any:
    try:
        return _anything.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from error


def _decode_parameters(method: str, raw: msgspec.Raw) -> Parameters:
    decoder = _parameters.get(method)
    if decoder is None:
        _whole(bytes(raw))
        interface = method.rpartition(".")[0]
        if interface in NAMES:
            raise MethodNotFound(method=method)
        raise InterfaceNotFound(interface=interface)
    body = bytes(raw)
    try:
        parameters = decoder.decode(b"{}" if body == b"null" else body)
    except msgspec.ValidationError as error:
        _whole(body)
        raise InvalidParameter(parameter=_where(error) or "parameters") from _shown(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from error
    _check(parameters)
    return parameters


def _where(error: msgspec.ValidationError) -> str:
    """Return the name of the parameter that msgspec complains of, from its text.

    Its messages end in "at `$.path`", or name an unknown or missing field; a test holds this.
    """
    text = str(error)
    path = found["path"] if (found := _AT.search(text)) else ""
    field = found["field"] if (found := _UNKNOWN.search(text) or _MISSING.search(text)) else ""
    name = path.partition("[")[0].partition(".")[0] or field
    return CONTROL.sub("?", name)[:MAX_NAME_CHARACTERS]


def _shown(error: msgspec.ValidationError) -> ValueError:
    """Return what is wrong, for the log: the name of an unknown field is whatever a peer wrote."""
    return ValueError(CONTROL.sub("?", str(error))[:MAX_NAME_CHARACTERS])


def _check(parameters: Parameters) -> None:
    """Refuse strings that no name or value can be; the resource says what else they must be."""
    for name in _NAMES.get(type(parameters), ()):
        value = getattr(parameters, name)
        if value is not None:
            _check_name(name, value)
    match parameters:
        case Get() | Explain() | WhoCan():
            _check_arguments("arguments", parameters.arguments)
        case Put():
            _check_put(parameters)
        case ExplainOther():
            _check_other(parameters)
        case _:
            pass
    if isinstance(parameters, Get | Take):
        _check_time("waitUSec", parameters.wait_usec)


def _check_put(put: Put) -> None:
    if not put.names or len(set(put.names)) < len(put.names):
        raise InvalidParameter(parameter="names")
    for name in put.names:
        if not RESOURCE_NAME.fullmatch(name):
            raise InvalidParameter(parameter="names")
    _check_time("ttlUSec", put.ttl_usec)
    _check_arguments("metadata", put.metadata)


def _check_time(parameter: str, microseconds: int | None) -> None:
    if microseconds is not None and microseconds < 0:
        raise InvalidParameter(parameter=parameter)


def _check_arguments(parameter: str, arguments: dict[str, str] | None) -> None:
    for name, value in (arguments or {}).items():
        _check_name(parameter, name)
        _check_name(parameter, value)
    if len(arguments or ()) > MAX_ARGUMENTS:
        raise InvalidParameter(parameter=parameter)


def _check_other(explain: ExplainOther) -> None:
    """Refuse what does not say exactly one peer, and of what."""
    given = [explain.as_ is not None, explain.pid is not None, explain.request is not None]
    if sum(given) != 1:
        raise InvalidParameter(parameter="as")
    if explain.request is not None:
        _check_name("request", explain.request)
    else:
        _check_name("resource", explain.resource or "")
        _check_arguments("arguments", explain.arguments)
    if explain.as_ is not None:
        for value in msgspec.structs.asdict(explain.as_).values():
            if isinstance(value, str):
                _check_name("as", value)


def _check_name(parameter: str, name: str) -> None:
    if not name or len(name) > MAX_NAME_CHARACTERS or CONTROL.search(name):
        raise InvalidParameter(parameter=parameter)


def encode_reply(parameters: object, *, continues: bool = False) -> bytes:
    """Return a reply with its NUL; with `continues` more will follow."""
    reply: dict[str, object] = {"parameters": parameters}
    if continues:
        reply["continues"] = True
    return _encoder.encode(reply) + b"\0"


def encode_error(error: CallError) -> bytes:
    """Return an error reply with its NUL."""
    return _encoder.encode({"error": error.wire_name, "parameters": error.parameters()}) + b"\0"
