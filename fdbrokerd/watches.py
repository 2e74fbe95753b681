# SPDX-License-Identifier: MIT
"""A peer that is told what happens to items: one answer after the other to one call."""

from collections import deque
from collections.abc import Callable, Iterable

from fdbrokerd.asked import InForce
from fdbrokerd.asking import Asking
from fdbrokerd.audit.record import GRANTED
from fdbrokerd.errors import Denied, ExpectedMore, LimitReached
from fdbrokerd.exchange import Answer, Awaited, Caller, Reply
from fdbrokerd.messages import encode_error, encode_reply
from fdbrokerd.model.resource import NO_ARGUMENTS, Request, item_of, resource_of
from fdbrokerd.naming import admits
from fdbrokerd.policy import decide, may_some
from fdbrokerd.recorder import Recorder
from fdbrokerd.store.store import Store
from fdbrokerd.store.watching import Event

MAX_EVENTS_WAITING = 4096
"""For one watcher that does not read, besides what it is told first. Each is some hundred bytes."""


class Watch:
    """The answers of one call, in order, each when the one before has left."""

    def __init__(self, reply: Reply, finish: Reply, items: Iterable[str], asked: str) -> None:
        """Begin with the items that are there, and `ready`; `asked` is what is watched.

        `finish` is for the last answer of all.
        """
        self._reply = reply
        self._finish = finish
        self._events = deque(("added", name) for name in items)
        self._events.append(("ready", asked))
        self._room = len(self._events) + MAX_EVENTS_WAITING
        self._sending = False
        self._pumping = False
        self._ended = False

    def begin(self) -> None:
        """Send what there is to tell."""
        self._pump()

    def tell(self, event: str, name: str) -> None:
        """Answer with an event, or remember it."""
        if self._ended:
            return
        if len(self._events) < self._room:
            self._events.append((event, name))
        else:
            self.end()
        self._pump()

    def _pump(self) -> None:
        """Send what waits. A loop: an answer that leaves at once calls back from within."""
        if self._pumping:
            return
        self._pumping = True
        while self._events and not self._sending:
            event, name = self._events.popleft()
            self._sending = True
            data = encode_reply({"event": event, "resource": name}, continues=True)
            self._reply(Awaited(data, self._left, continues=True))
        self._pumping = False

    def _left(self, failure: str) -> None:
        self._sending = False
        if failure:
            self._events.clear()
        elif self._ended:
            # It has lost track of what there is, and must hear so and begin again.
            lost = encode_error(LimitReached(limit="events"))
            self._finish(Answer(lost))
        else:
            self._pump()

    def end(self) -> None:
        """Tell nothing more."""
        self._ended = True
        self._events.clear()


def watch(
    asking: Asking,
    request: Request,
    user: str | None,
    store: Store,
    now: Callable[[], InForce],
    recorder: Recorder,
) -> None:
    """Begin to tell a peer of an item, or of those items of a resource that it may watch.

    Each event is judged by itself, by the rules that are in force then: `now` returns those.
    Raises Denied, ExpectedMore.
    """
    caller, record, name = asking.caller, asking.record, request.resource
    ruleset = now().ruleset
    whole = "/" not in name
    verdict = decide(ruleset, caller.peer, request)
    may = may_some(ruleset, caller.peer, "watch", name) if whole else verdict.allowed
    record.verdict, record.rules = "allow" if may else "deny", verdict.rule_ids
    if not may:
        raise Denied(resource=name, hint=verdict.hint, request=record.request)
    if not asking.call.more or asking.call.oneway:
        raise ExpectedMore

    def sees(item: str) -> bool:
        return _sees(now(), caller, item, user)

    there = [one.name for one in store.items() if name in {one.name, resource_of(one.name)}]
    watched = Watch(asking.tell, asking.finish, filter(sees, there), name)

    def tell(event: Event, item: str) -> None:
        if sees(item):
            watched.tell(event.value, item)

    asking.wait(store.watching.add(name, tell), watched.end)
    record.outcome = GRANTED
    recorder.requests += 1
    recorder.write(record)
    asking.recorded = True
    watched.begin()


def _sees(in_force: InForce, caller: Caller, item: str, user: str | None) -> bool:
    """Tell whether a peer may be told of an item."""
    resource = in_force.ruleset.resources.get(resource_of(item))
    return (
        resource is not None
        and admits(resource, item_of(item), caller.peer, user) is None
        and decide(in_force.ruleset, caller.peer, Request("watch", item, NO_ARGUMENTS)).allowed
    )
