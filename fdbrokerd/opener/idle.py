# SPDX-License-Identifier: MIT
"""Children that wait for the next job."""

from collections.abc import Callable, Iterator

from fdbrokerd.opener.packet import DONE
from fdbrokerd.opener.zygote import Child

IDLE_CHILDREN = 2
"""Kept for the next job: a fork costs half a millisecond."""

CLOSING_SECONDS = 2.0
"""What a child still closes after a job is hardly ever closed last by it; then it may linger."""


class Idle:
    """A few of them. One that still closes what it had is not given out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: list[Child] = []
        self._closing: dict[Child, float] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter([*self._ready, *self._closing])

    def __len__(self) -> int:
        return len(self._ready) + len(self._closing)

    def add(self, child: Child, *, closing: bool) -> None:
        """Keep a child, owned from here on, or let it end. `closing`: it will say when it is done.

        Nobody listens for that: it is looked at when a child is needed.
        """
        if len(self) >= IDLE_CHILDREN:
            if closing:
                child.kill()
            child.close()
        elif closing:
            self._closing[child] = self._clock()
        else:
            self._ready.append(child)

    def take(self) -> Child | None:
        """Return a child that can take a job, now the caller's; it may have been killed."""
        for child, since in list(self._closing.items()):
            try:
                done = child.channel.recv(1) == DONE
            except BlockingIOError:
                if self._clock() - since < CLOSING_SECONDS:
                    continue
                done = False
            except OSError:
                done = False
            del self._closing[child]
            if done:
                self._ready.append(child)
            else:
                child.kill()
                child.close()
        return self._ready.pop() if self._ready else None

    def close(self) -> None:
        """Let them end."""
        for child in self:
            child.close()
        self._ready.clear()
        self._closing.clear()
