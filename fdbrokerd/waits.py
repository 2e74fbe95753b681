# SPDX-License-Identifier: MIT
"""A request that waits for an item: until it is there, the time has passed, or the peer is gone.

It is looked at again in the order of arrival, by the rules that are in force by then: a wait may
last longer than a right.
"""

from collections.abc import Callable
from functools import partial

from fdbrokerd.asking import Asking
from fdbrokerd.calls import FOR_EVER_USEC, Get, Take, Watch
from fdbrokerd.errors import CallError, TimedOut
from fdbrokerd.store.waiting import Waiting

Later = Callable[[float, Callable[[], None]], Callable[[], object]]
"""Calls something in so many seconds; what it returns ends that."""


def wait(
    asking: Asking,
    error: CallError,
    waiting: Waiting,
    later: Later,
    again: Callable[[Asking], bool],
) -> None:
    """Wait for what is not there now. Raises `error` for a request that does not wait.

    One that waits already keeps its place. When the time has passed `again` is called as well; it
    finds the wait at its end, and TimedOut is raised here.
    """
    call = asking.call.parameters
    assert isinstance(call, Get | Take), "nothing else asks for an item"
    if call.wait_usec is None or asking.gone:
        raise error
    name = call.resource if isinstance(call, Get) else call.item
    if asking.late:
        raise TimedOut(resource=name)
    if asking.waits:
        return
    asking.wait(waiting.add(name, partial(again, asking)))
    if call.wait_usec < FOR_EVER_USEC:
        asking.wait(later(call.wait_usec / 1_000_000, partial(_late, asking, again)))


def may_last(asking: Asking) -> bool:
    """Tell whether a request is unanswered, and may be so for as long as its peer wants."""
    if asking.done:
        return False
    call = asking.call.parameters
    return isinstance(call, Watch) or (isinstance(call, Get | Take) and call.wait_usec is not None)


def _late(asking: Asking, again: Callable[[Asking], bool]) -> None:
    asking.late = True
    again(asking)
