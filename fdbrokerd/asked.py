# SPDX-License-Identifier: MIT
"""From what a peer wrote to a request that the rules can judge."""

from collections.abc import Mapping

from msgspec import Struct

from fdbrokerd.audit import Record
from fdbrokerd.calls import Explain, Get, List, Parameters, Put, Remove, Take, Watch
from fdbrokerd.errors import CallError, Denied, InvalidArgument, InvalidParameter, LimitReached
from fdbrokerd.exchange import Caller
from fdbrokerd.kinds import kind_of
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import NO_ARGUMENTS, Request, Resource, resource_of
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.naming import names_user, objection
from fdbrokerd.policy import decide, may, may_some
from fdbrokerd.wire import MAX_DESCRIPTORS

MAX_KEPT_CHARACTERS = 512
"""Of a denied request's arguments: they are written by somebody who may have nothing, and are kept
in records and for explanations."""


class InForce(Struct, frozen=True):
    """What a request sees from start to end: the rules, and the administrators besides root.

    `impossible` are the warnings about resources that this daemon cannot open.
    """

    ruleset: Ruleset
    admins: PeerMatch | None = None
    impossible: tuple[str, ...] = ()

    @property
    def uses_facts(self) -> bool:
        """Tell whether anything asks for a fact of the peer's process."""
        return self.ruleset.uses_facts or (self.admins is not None and self.admins.uses_facts)


def request_of(call: Parameters) -> Request | None:
    """Return what a call asks of a resource or an item, as it was written; None for other calls."""
    match call:
        case Get(resource, arguments, count):
            count = 1 if count is None else count
            return Request("get", resource, arguments or NO_ARGUMENTS, count)
        case Explain(resource, arguments, do):
            return Request(do or "get", resource, arguments or NO_ARGUMENTS)
        case Put(item) | Take(item) | Remove(item) | Watch(item):
            return Request(type(call).__name__.lower(), item, NO_ARGUMENTS)
        case _:
            return None


def needs_user(ruleset: Ruleset, call: Parameters, peer: Peer, name: str | None = None) -> bool:
    """Tell whether the peer's user name must be known to answer a call, or one about `name`.

    Not where the rules allow nothing anyway: that it takes longer would tell what is there.
    """
    if isinstance(call, List):
        return any(
            names_user(resource) and may_some(ruleset, peer, "list", resource.name)
            for resource in ruleset.resources.values()
        )
    written = request_of(call)
    if name is None and written is not None:
        name = written.resource
    resource = None if name is None else ruleset.resources.get(resource_of(name))
    if resource is None or not names_user(resource):
        return False
    return written is None or may_some(ruleset, peer, written.verb, resource.name)


def asked(
    ruleset: Ruleset, caller: Caller, written: Request, user: str | None, record: Record
) -> tuple[Resource, Request]:
    """Return what is asked for, complete. `user` is the peer's name, where `needs_user` says so.

    Raises Denied for a resource that is unknown or not served here; InvalidArgument,
    InvalidParameter or LimitReached only for one that may be had with other arguments: whoever may
    never have it must not learn that it is there, and the rules deny it all the same.
    """
    record.resource = written.resource
    record.arguments = written.arguments
    resource = ruleset.resources.get(resource_of(written.resource))
    if resource is None or not caller.sees(resource.name):
        raise _denied(ruleset, caller, written, record)
    if written.verb not in kind_of(resource.kind).verbs:  # of a rule about `*`, which others have
        raise _denied(ruleset, caller, written, record)
    try:
        if problem := objection(resource, written, caller.peer, user):
            raise InvalidArgument(argument="item", reason=problem)
        record.arguments = resource.complete(record.arguments)
        _check_count(resource, written)
    except CallError:
        if may(ruleset, caller.peer, written.verb, written.resource):
            raise
        raise _denied(ruleset, caller, written, record) from None
    return resource, Request(written.verb, written.resource, record.arguments, written.count)


def allowed(ruleset: Ruleset, peer: Peer, request: Request, record: Record) -> Verdict:
    """Return the verdict that allows a request. Raises Denied."""
    verdict = decide(ruleset, peer, request)
    record.verdict = "allow" if verdict.allowed else "deny"
    record.rules = verdict.rule_ids
    if not verdict.allowed:
        raise Denied(resource=request.resource, hint=verdict.hint, request=record.request)
    return verdict


def _denied(ruleset: Ruleset, caller: Caller, written: Request, record: Record) -> Denied:
    """Return the denial; with a hint only from a rule that is about this peer and this listener."""
    record.verdict = "deny"
    record.arguments = _bounded(record.arguments)
    if not caller.sees(resource_of(written.resource)):
        return Denied(resource=written.resource, request=record.request)
    request = Request(written.verb, written.resource, NO_ARGUMENTS)
    denies = decide(ruleset, caller.peer, request).denies
    record.rules = tuple(rule.id for rule in denies)
    hint = next((rule.hint for rule in denies if rule.hint), None)
    return Denied(resource=written.resource, hint=hint, request=record.request)


def _bounded(arguments: Mapping[str, str]) -> Mapping[str, str]:
    """Return as many arguments as are worth keeping of a peer that may have nothing."""
    bounded: dict[str, str] = {}
    room = MAX_KEPT_CHARACTERS
    for name, value in arguments.items():
        room -= len(name) + len(value)
        if room < 0:
            break
        bounded[name] = value
    return bounded


def _check_count(resource: Resource, written: Request) -> None:
    kind = kind_of(resource.kind)
    count = written.count
    if count < 1 or (count > 1 and (not kind.many or "/" in written.resource)):
        raise InvalidParameter(parameter="count")
    if count * len(kind.descriptors) > MAX_DESCRIPTORS:
        raise LimitReached(limit="count")
