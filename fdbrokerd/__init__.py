# SPDX-License-Identifier: MIT
"""Hands file descriptors to the processes that a rule allows.

    from fdbrokerd import Client

    with Client() as broker, broker.get("pty") as pty:
        print(pty.properties["path"], pty.fileno("master"))

Names are loaded when they are first used: a program that wants `Client` does not pay for asyncio.
"""

# Not `from typing import TYPE_CHECKING`: the import alone costs a third of what the client does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.aio import AsyncClient, AsyncGrant
    from fdbrokerd.client.client import Client
    from fdbrokerd.client.facts import Explanation, Item, Peer
    from fdbrokerd.client.grant import Grant
    from fdbrokerd.errors import (
        Busy,
        CallError,
        Denied,
        DescriptorsMissing,
        Error,
        InvalidArgument,
        LimitReached,
        NoAnswer,
        OpenFailed,
        ProtocolError,
        TimedOut,
        Unavailable,
        Unreachable,
        UsageError,
        WrongServer,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncGrant",
    "Busy",
    "CallError",
    "Client",
    "Denied",
    "DescriptorsMissing",
    "Error",
    "Explanation",
    "Grant",
    "InvalidArgument",
    "Item",
    "LimitReached",
    "NoAnswer",
    "OpenFailed",
    "Peer",
    "ProtocolError",
    "TimedOut",
    "Unavailable",
    "Unreachable",
    "UsageError",
    "WrongServer",
]

_HOMES = {
    "AsyncClient": "fdbrokerd.client.aio",
    "AsyncGrant": "fdbrokerd.client.aio",
    "Client": "fdbrokerd.client.client",
    "Explanation": "fdbrokerd.client.facts",
    "Grant": "fdbrokerd.client.grant",
    "Item": "fdbrokerd.client.facts",
    "Peer": "fdbrokerd.client.facts",
}
"""Where a name lives, if not in `errors`."""


def __getattr__(name: str) -> object:
    """Load a public name (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (loaded with the first name, not before)

    value = getattr(import_module(_HOMES.get(name, "fdbrokerd.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
