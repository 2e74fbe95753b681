# SPDX-License-Identifier: MIT
"""The daemon's side of the children: who waits for which, until when."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from fdbrokerd.channel import receive_reply
from fdbrokerd.errors import Busy, CallError, Error, LimitReached, OpenFailed, TimedOut
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.opened import Opened
from fdbrokerd.opener.child import Answer, Job, pack, unpack
from fdbrokerd.opener.zygote import Child, Zygote

DEADLINE_SECONDS = 2.0
"""A disk that has to spin up is slower; a peer that waits longer than this has given up."""

MAX_OPENING = 16
"""Children at work, with those that were given up and still hang in the kernel."""

MAX_OPENING_PER_UID = 4
"""So one uid with a file system that hangs takes a quarter."""

MAX_COPYING = 256
"""Children that copy through a pipe until it ends: 10 MiB of memory each, mostly shared."""

MAX_COPYING_PER_UID = 64

IDLE_CHILDREN = 2
"""Kept for the next job: a fork costs half a millisecond."""

Done = Callable[[Opened | CallError], None]


class Pool:
    """Children at work, copying, idle, and given up."""

    def __init__(self, zygote: Zygote, loop: asyncio.AbstractEventLoop) -> None:
        self._zygote = zygote
        self._loop = loop
        self._idle: list[Child] = []
        self._opening: set[_Work] = set()
        self._given_up: set[_Work] = set()
        self._copying: set[_Work] = set()

    def open(self, job: Job, done: Done) -> None:
        """Have a child open it; `done` is called once, later, with what was opened or the error.

        Raises LimitReached for a uid that has too many children, Busy where all are taken.
        """
        self._check(job)
        child = self._begun(job)
        work = _Work(child, job, done)
        work.deadline = self._loop.call_later(DEADLINE_SECONDS, self._late, work)
        self._opening.add(work)
        self._loop.add_reader(child.channel, self._answered, work)

    def _begun(self, job: Job) -> Child:
        """Return a child that has the job: an idle one, unless that was killed, or a new one."""
        data = pack(job)
        while self._idle:
            child = self._idle.pop()
            with suppress(OSError):
                child.channel.send(data)
                return child
            child.close()
        try:
            child = self._zygote.child()
        except Error as error:
            raise Busy(resource=job.request.resource) from error
        try:
            child.channel.send(data)
        except OSError as error:
            child.close()
            raise Busy(resource=job.request.resource) from error
        return child

    def _check(self, job: Job) -> None:
        uid = job.peer.uid
        opening = self._opening | self._given_up
        if _of(uid, opening) >= MAX_OPENING_PER_UID:
            raise LimitReached(limit="openers")
        if _of(uid, self._copying) >= MAX_COPYING_PER_UID:
            raise LimitReached(limit="pipes")
        if len(opening) >= MAX_OPENING or len(self._copying) >= MAX_COPYING:
            raise Busy(resource=job.request.resource)

    def _answered(self, work: "_Work") -> None:
        """Take a child's answer. The end of its stream, or nonsense, is an answer too."""
        self._leave(work)
        name = work.job.request.resource
        received: list[OwnedFd] = []
        try:
            data, received, truncated = receive_reply(work.child.channel)
            answer, error = unpack(data)
        except (OSError, msgspec.DecodeError, ValueError, KeyError, TypeError) as fault:
            close_all(received)
            work.child.kill()
            self._await_end(work, self._given_up)
            failed = OpenFailed.of(name, 0)
            failed.__cause__ = fault
            work.done(failed)
            return
        self._dismiss(work, answer)
        if error is None and (truncated or len(answer.names) != len(received)):
            error = Busy(resource=name)  # our own limit on descriptors
        if error is not None:
            close_all(received)
            work.done(error)
            return
        work.done(Opened(dict(zip(answer.names, received, strict=True)), answer.properties))

    def _dismiss(self, work: "_Work", answer: Answer) -> None:
        """Let a child copy, wait for the next job, or end."""
        if answer.copies:
            self._await_end(work, self._copying)
        elif len(self._idle) < IDLE_CHILDREN:
            self._idle.append(work.child)
        else:
            work.child.close()

    def _late(self, work: "_Work") -> None:
        """Give a child up: it hangs in the kernel, and ends when that lets it."""
        self._leave(work)
        work.child.kill()
        self._await_end(work, self._given_up)
        work.done(TimedOut(resource=work.job.request.resource))

    def _leave(self, work: "_Work") -> None:
        assert work.deadline is not None
        work.deadline.cancel()
        self._loop.remove_reader(work.child.channel)
        self._opening.remove(work)

    def _await_end(self, work: "_Work", among: "set[_Work]") -> None:
        """Count a child among these until it has ended."""
        among.add(work)
        self._loop.add_reader(work.child.pidfd.fileno(), self._ended, work, among)

    def _ended(self, work: "_Work", among: "set[_Work]") -> None:
        self._loop.remove_reader(work.child.pidfd.fileno())
        among.remove(work)
        work.child.close()

    def close(self) -> None:
        """Let all of them end, and answer nobody any more."""
        for work in list(self._opening):
            self._leave(work)
            work.child.kill()
            work.child.close()
        for among in (self._given_up, self._copying):
            for work in list(among):
                work.child.kill()
                self._ended(work, among)
        for child in self._idle:
            child.close()
        self._zygote.close()


class _Work:
    """A child and the job it does."""

    __slots__ = ("child", "deadline", "done", "job")

    def __init__(self, child: Child, job: Job, done: Done) -> None:
        self.child = child
        self.job = job
        self.done = done
        self.deadline: asyncio.TimerHandle | None = None


def _of(uid: int, works: Iterable[_Work]) -> int:
    return sum(work.job.peer.uid == uid for work in works)
