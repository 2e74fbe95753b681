# SPDX-License-Identifier: MIT
"""One test for both clients: what a test does once, done by either."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

from fdbrokerd import AsyncClient, Client

Act = Callable[[Any], Awaitable[Any]]
"""Something done with a client, in the words of AsyncClient."""


class _Grant:
    """A blocking grant in asyncio's words."""

    def __init__(self, grant: Any) -> None:
        self._grant = grant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grant, name)

    async def commit(self) -> None:
        self._grant.commit()

    async def aclose(self) -> None:
        self._grant.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._grant.close()


class _Watch:
    """A blocking watch in asyncio's words."""

    def __init__(self, watch: Any) -> None:
        self._watch = watch

    async def __aenter__(self) -> Self:
        self._watch.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watch.__exit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._watch)
        except StopIteration:
            raise StopAsyncIteration from None


class _Client:
    """A blocking client in asyncio's words."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def watch(self, resource: str) -> _Watch:
        return _Watch(self._client.watch(resource))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            return _Grant(result) if name in {"get", "take"} else result

        return call


def blocking(address: str, act: Act, **options: Any) -> Any:
    """Do something with the blocking client."""

    async def main() -> Any:
        with Client(address, **options) as client:
            return await act(_Client(client))

    return asyncio.run(main())


def asynchronous(address: str, act: Act, **options: Any) -> Any:
    """Do it with the one for asyncio."""

    async def main() -> Any:
        async with AsyncClient(address, **options) as client:
            return await act(client)

    return asyncio.run(main())


BOTH = [blocking, asynchronous]
