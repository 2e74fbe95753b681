# SPDX-License-Identifier: MIT
"""Hands file descriptors to the processes that a rule allows.

    from fdbrokerd import Client

    with Client() as broker, broker.get("pty") as pty:
        print(pty.properties["path"], pty.fileno("master"))

    with Client() as broker:
        broker.put("slots/web", listening_socket)  # here, and in another process:
        listening_socket = broker.get("slots/web").socket()

Names are loaded when they are first used: a program that wants `Client` does not pay for asyncio.
"""

# Not `from typing import TYPE_CHECKING`: the import alone costs a third of what the client does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.aio import AsyncClient
    from fdbrokerd.client.async_grant import AsyncGrant, AsyncTaking
    from fdbrokerd.client.async_watch import AsyncWatch
    from fdbrokerd.client.client import Client
    from fdbrokerd.client.deposit import NotSent
    from fdbrokerd.client.facts import Event, Explanation, Held, Item, Peer
    from fdbrokerd.client.grant import Grant
    from fdbrokerd.client.popen import popen
    from fdbrokerd.client.taking import Taking
    from fdbrokerd.client.watch import Watch
    from fdbrokerd.errors import (
        Busy,
        CallError,
        Denied,
        DescriptorsMissing,
        Error,
        InvalidArgument,
        ItemExists,
        LimitReached,
        NoAnswer,
        NoSuchItem,
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
    "AsyncTaking",
    "AsyncWatch",
    "Busy",
    "CallError",
    "Client",
    "Denied",
    "DescriptorsMissing",
    "Error",
    "Event",
    "Explanation",
    "Grant",
    "Held",
    "InvalidArgument",
    "Item",
    "ItemExists",
    "LimitReached",
    "NoAnswer",
    "NoSuchItem",
    "NotSent",
    "OpenFailed",
    "Peer",
    "ProtocolError",
    "Taking",
    "TimedOut",
    "Unavailable",
    "Unreachable",
    "UsageError",
    "Watch",
    "WrongServer",
    "popen",
]

_HOMES = {
    "AsyncClient": "fdbrokerd.client.aio",
    "AsyncGrant": "fdbrokerd.client.async_grant",
    "AsyncTaking": "fdbrokerd.client.async_grant",
    "AsyncWatch": "fdbrokerd.client.async_watch",
    "Client": "fdbrokerd.client.client",
    "Event": "fdbrokerd.client.facts",
    "Explanation": "fdbrokerd.client.facts",
    "Grant": "fdbrokerd.client.grant",
    "Held": "fdbrokerd.client.facts",
    "Item": "fdbrokerd.client.facts",
    "NotSent": "fdbrokerd.client.deposit",
    "Peer": "fdbrokerd.client.facts",
    "Taking": "fdbrokerd.client.taking",
    "Watch": "fdbrokerd.client.watch",
    "popen": "fdbrokerd.client.popen",
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
