# SPDX-License-Identifier: MIT
"""An error reply to the exception that it is.

Its strings are escaped here, since exceptions end up on terminals.
"""

from __future__ import annotations

from fdbrokerd.client.escape import escape
from fdbrokerd.errors import CallError, ProtocolError, wire_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.fields import Fields


def refusal(name: str, fields: Fields) -> CallError:
    """Return the exception for an error's name and parameters. Raises ProtocolError.

    One that is unknown here keeps its name and nothing else.
    """
    kind = wire_errors().get(name)
    if kind is None:
        unknown = CallError()
        unknown.wire_name = escape(name)
        return unknown
    told: dict[str, object] = {}
    for parameter, expected in kind.__annotations__.items():
        if not fields.has(parameter):
            continue
        value = fields.values[parameter]
        if not isinstance(value, expected):
            raise ProtocolError(f"the error reply: the field {parameter!r} has the wrong type")
        told[parameter] = escape(value) if isinstance(value, str) else value
    return kind(**told)
