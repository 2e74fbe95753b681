# SPDX-License-Identifier: MIT
"""What a child says: JSON, which the daemon reads strictly.

A child has seen names, files and descriptors that others made.
"""

import msgspec

from fdbrokerd.errors import CallError, wire_errors
from fdbrokerd.judge import Judged


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a job went: names and properties, or an error by its wire name with a reason for the log.

    `copies`: the child goes on copying by itself. `ends`: it has become somebody else. In both
    cases it takes no further job. `judged` are the descriptors of an intake, `user` a name that was
    looked up.
    """

    names: list[str] = []
    properties: dict[str, str] = {}
    judged: list[Judged] = []
    user: str | None = None
    error: str = ""
    parameters: dict[str, str | int] = {}
    detail: str = ""
    copies: bool = False
    ends: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Answer)


def encode(answer: Answer) -> bytes:
    """Return an answer for the daemon."""
    return _encoder.encode(answer)


def failed(error: CallError, *, ends: bool = False) -> Answer:
    """Return the answer that stands for an error."""
    parameters = {
        name: value for name, value in error.parameters().items() if isinstance(value, str | int)
    }
    return Answer(error=error.wire_name, parameters=parameters, detail=reason(error), ends=ends)


def reason(error: CallError) -> str:
    """Return what the system said, for the log; the peer is told the number alone."""
    return str(error.__cause__ or "")


def decode(data: bytes) -> tuple[Answer, CallError | None]:
    """Return a child's answer, and the error that it stands for.

    Raises msgspec.DecodeError for what is none, KeyError for an error that is unknown, TypeError
    for parameters that it has not.
    """
    answer = _decoder.decode(data)
    if not answer.error:
        return answer, None
    error = wire_errors()[answer.error](**answer.parameters)
    error.__cause__ = OSError(answer.detail)
    return answer, error
