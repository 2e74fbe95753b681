# SPDX-License-Identifier: MIT
"""Connecting without keeping the event loop: it blocks, so it is done in a thread."""

import _socket
import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

from fdbrokerd.client import endpoint


async def connect(
    address: str | None, timeout_seconds: float | None, server_uid: int | None
) -> _socket.socket:
    """Return a connection to a broker that may be believed.

    In a thread, because a non-blocking connect(2) fails on a full backlog (unix(7)). A thread of
    its own, so that what a cancelled call leaves behind is closed there and then, even where the
    loop has ended.
    """
    executor = ThreadPoolExecutor(1, "fdbrokerd-connect")
    connecting = executor.submit(endpoint.connect, address, timeout_seconds, server_uid)
    executor.shutdown(wait=False)
    waiting = asyncio.wrap_future(connecting)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_drop)
        raise


def _drop(connecting: Future[_socket.socket]) -> None:
    """Close a connection that nobody waits for any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
