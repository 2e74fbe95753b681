# SPDX-License-Identifier: MIT
"""A child at work."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fdbrokerd.opener.job import Task
from fdbrokerd.opener.zygote import Child

if TYPE_CHECKING:
    from fdbrokerd.deadline import Deadline


class Work:
    """A child, the job it does, who is told of its outcome, and whether its answer is to come."""

    __slots__ = ("child", "deadline", "done", "job", "unread")

    def __init__(self, child: Child, job: Task, done: Callable[[Any], None]) -> None:
        self.child = child
        self.job = job
        self.done = done
        self.unread = True
        self.deadline: Deadline | None = None


def count_of(uid: int, works: Iterable[Work]) -> int:
    """Return how many are for a uid."""
    return sum(work.job.uid == uid for work in works)
