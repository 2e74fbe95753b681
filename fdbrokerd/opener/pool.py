# SPDX-License-Identifier: MIT
"""The daemon's side of the children: who waits for which, until when."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from fdbrokerd.deadline import Deadline
from fdbrokerd.errors import Busy, CallError, Error, LimitReached, OpenFailed, TimedOut
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.opened import Opened
from fdbrokerd.opener.answer import Answer, decode
from fdbrokerd.opener.closer import JUDGED, Closer
from fdbrokerd.opener.idle import Idle
from fdbrokerd.opener.intake import Intake, Received
from fdbrokerd.opener.job import Job, LookUp, Task, pack
from fdbrokerd.opener.line import Line
from fdbrokerd.opener.packet import GO, receive, send
from fdbrokerd.opener.work import Work, count_of
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


class Pool:
    """Children at work, copying, idle, and given up."""

    def __init__(self, zygote: Zygote, loop: asyncio.AbstractEventLoop) -> None:
        self._zygote = zygote
        self._loop = loop
        self._idle = Idle(loop.time)
        self._closer = Closer(zygote, loop)
        self._line = Line(loop, self._take_in, self.drain)
        self._opening: set[Work] = set()
        self._given_up: set[Work] = set()
        self._copying: set[Work] = set()
        self._childless = False

    def open(self, job: Job, done: Callable[[Opened | CallError], None]) -> None:
        """Have a child open it; `done` is called once, later, with what was opened or the error.

        Raises LimitReached for a uid that has too many children, Busy where all are taken.
        """
        if count_of(job.uid, self._copying) >= MAX_COPYING_PER_UID:
            raise LimitReached(limit="pipes")
        if len(self._copying) >= MAX_COPYING:
            raise Busy(resource=job.subject)
        self._begin(job, (), done)

    def intake(
        self, job: Intake, deposit: OwnedFd, done: Callable[[Received | CallError], None]
    ) -> None:
        """Have a child receive and judge what a peer has sent over a deposit socket.

        Waits for a child where all that the uid may have are at work. Raises as `open` does where
        too many wait, and then the deposit is still the caller's. Else it is gone: nothing that is
        queued in it can be closed here.
        """
        try:
            self._take_in(job, deposit, done)
        except CallError:
            if self._childless or not self._line.has_room(job.uid):
                raise
            self._line.add(job, deposit, done)

    def _take_in(
        self, job: Intake, deposit: OwnedFd, done: Callable[[Received | CallError], None]
    ) -> None:
        self._begin(job, (deposit.fileno(),), done)
        deposit.close()  # the child, or its queue, has one

    def childless(self) -> None:
        """Let nobody wait for a child from now on: the zygote has ended."""
        self._childless = True
        self._line.refuse()

    def look_up(self, uid: int, done: Callable[[str | CallError | None], None]) -> None:
        """Have a child ask for a user's name; None for a uid without one. Raises as `open` does."""
        self._begin(LookUp(uid), (), done)

    def drain(self, deposit: OwnedFd, uid: int) -> None:
        """Have a deposit socket of a user's closed, with what is queued in it."""
        self._closer.add([deposit], uid)

    def dismiss(self, descriptors: Iterable[OwnedFd]) -> None:
        """Have descriptors closed that were judged, and that the daemon may not close last."""
        self._closer.add(descriptors, JUDGED)

    def _begin(self, job: Task, numbers: tuple[int, ...], done: Callable[[Any], None]) -> None:
        uid = job.uid
        opening = self._opening | self._given_up
        if count_of(uid, opening) >= MAX_OPENING_PER_UID:
            raise LimitReached(limit="openers")
        if len(opening) >= MAX_OPENING:
            raise Busy(resource=job.subject)
        work = Work(self._child_with(job, numbers), job, done)
        work.deadline = Deadline(self._loop, DEADLINE_SECONDS, partial(self._late, work))
        self._opening.add(work)
        self._loop.add_reader(work.child.channel, self._answered, work)

    def _child_with(self, job: Task, numbers: tuple[int, ...]) -> Child:
        """Return a child that has the job: an idle one, unless that was killed, or a new one."""
        data = pack(job)
        while (idle := self._idle.take()) is not None:
            with suppress(OSError):
                send(idle.channel, data, numbers)
                return idle
            idle.close()
        try:
            child = self._zygote.child()
        except Error as error:
            raise Busy(resource=job.subject) from error
        try:
            send(child.channel, data, numbers)
        except OSError as error:
            child.close()
            raise Busy(resource=job.subject) from error
        return child

    def _answered(self, work: Work) -> None:
        """Take a child's answer. The end of its stream, or nonsense, is an answer too."""
        self._leave(work)
        received: list[OwnedFd] = []
        try:
            data, received, truncated = receive(work.child.channel)
            work.unread = False
            answer, error = decode(data)
            outcome = error or _outcome(work.job, answer, received, truncated=truncated)
        except (OSError, msgspec.DecodeError, ValueError, KeyError, TypeError) as fault:
            outcome = OpenFailed.of(work.job.subject, 0)
            outcome.__cause__ = fault
            self._give_up(work)
        else:
            self._part_from(work, answer, outcome)
        if isinstance(outcome, CallError):
            if isinstance(work.job, Intake):
                self.dismiss(received)
            else:
                close_all(received)
        work.done(outcome)
        self._line.advance()

    def _part_from(self, work: Work, answer: Answer, outcome: object) -> None:
        """Let a child copy, wait for the next job, or end."""
        taken = isinstance(work.job, Intake)
        if taken and isinstance(outcome, CallError):
            self._give_up(work)  # it has what was refused, and ends with it
        elif answer.copies:
            self._await_end(work, self._copying)
        elif answer.ends:
            work.child.close()
        else:
            if taken:
                with suppress(OSError):  # it was killed, which is found out when it is needed
                    send(work.child.channel, GO)
            self._idle.add(work.child, closing=taken)

    def _late(self, work: Work) -> None:
        """Give a child up: it hangs in the kernel, and ends when that lets it."""
        self._leave(work)
        self._give_up(work)
        work.done(TimedOut(resource=work.job.subject))
        self._line.advance()

    def _leave(self, work: Work) -> None:
        assert work.deadline is not None
        work.deadline.cancel()
        self._loop.remove_reader(work.child.channel)
        self._opening.remove(work)

    def _give_up(self, work: Work) -> None:
        work.child.kill()
        self._await_end(work, self._given_up)

    def _await_end(self, work: Work, among: set[Work]) -> None:
        """Count a child among these until it has ended."""
        among.add(work)
        self._loop.add_reader(work.child.pidfd.fileno(), self._ended, work, among)

    def _ended(self, work: Work, among: set[Work]) -> None:
        self._loop.remove_reader(work.child.pidfd.fileno())
        among.remove(work)
        self._forget(work)
        self._line.advance()

    def _forget(self, work: Work) -> None:
        """Close what we have of a child; an answer that nobody has read may hold descriptors."""
        if work.unread and isinstance(work.job, Intake):
            self.drain(OwnedFd(work.child.channel.detach()), work.job.uid)
        work.child.close()

    def close(self) -> None:
        """Let all of them end, and answer nobody any more."""
        self._line.close()
        for work in list(self._opening):
            self._leave(work)
            work.child.kill()
            self._forget(work)
        for among in (self._given_up, self._copying):
            for work in list(among):
                work.child.kill()
                self._ended(work, among)
        self._idle.close()
        self._closer.close()
        self._zygote.close()


def _outcome(
    job: Task, answer: Answer, received: list[OwnedFd], *, truncated: bool
) -> Opened | Received | str | CallError | None:
    """Return what an answer means; ValueError for one that is none to this job."""
    if isinstance(job, LookUp):
        return answer.user
    judged = answer.judged
    told = len(judged) if isinstance(job, Intake) else len(answer.names)
    if truncated or told != len(received):
        return Busy(resource=job.subject)  # our own limit on descriptors
    if isinstance(job, Job):
        if len(set(answer.names)) != told:
            raise ValueError("a name twice: one of the descriptors would be nobody's")
        return Opened(dict(zip(answer.names, received, strict=True)), answer.properties)
    if told != len(job.names) or any(
        one.type not in job.accept or not one.what.isprintable() for one in judged
    ):
        raise ValueError("a judgement of something else")
    return Received(job.names, tuple(received), tuple(judged))
