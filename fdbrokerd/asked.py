# SPDX-License-Identifier: MIT
"""From what a peer wrote to a request that the rules can judge."""

from collections.abc import Mapping
from dataclasses import dataclass

from fdbrokerd.audit import Record
from fdbrokerd.calls import Explain, Get
from fdbrokerd.errors import CallError, Denied, InvalidParameter, LimitReached
from fdbrokerd.exchange import Caller
from fdbrokerd.kinds import kind_of
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import NO_ARGUMENTS, Request, Resource
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.policy import decide, may
from fdbrokerd.wire import MAX_DESCRIPTORS

MAX_KEPT_CHARACTERS = 512
"""Of a denied request's arguments: they are written by somebody who may have nothing, and are kept
in records and for explanations."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What a request sees from start to end: the rules, and the administrators besides root."""

    ruleset: Ruleset
    admins: PeerMatch | None = None

    @property
    def uses_facts(self) -> bool:
        """Tell whether anything asks for a fact of the peer's process."""
        return self.ruleset.uses_facts or (self.admins is not None and self.admins.uses_facts)


def asked(
    ruleset: Ruleset, caller: Caller, call: Get | Explain, record: Record
) -> tuple[Resource, Request]:
    """Return what is asked for, complete.

    Raises Denied for a resource that is unknown or not served here; InvalidArgument,
    InvalidParameter or LimitReached only for one that may be had with other arguments: whoever may
    never have it must not learn that it is there, and the rules deny it all the same.
    """
    verb = (call.do or "get") if isinstance(call, Explain) else "get"
    record.resource = call.resource
    record.arguments = call.arguments or NO_ARGUMENTS
    resource = ruleset.resources.get(call.resource)
    count = 1 if isinstance(call, Explain) or call.count is None else call.count
    if resource is None or not caller.sees(call.resource):
        raise _denied(ruleset, caller, Request(verb, call.resource, NO_ARGUMENTS), record)
    try:
        record.arguments = resource.complete(record.arguments)
        _check_count(resource, count)
    except CallError:
        if may(ruleset, caller.peer, verb, call.resource):
            raise
        denied = Request(verb, call.resource, NO_ARGUMENTS)
        raise _denied(ruleset, caller, denied, record) from None
    return resource, Request(verb, call.resource, record.arguments, count)


def _denied(ruleset: Ruleset, caller: Caller, request: Request, record: Record) -> Denied:
    """Return the denial; with a hint only from a rule that is about this peer and this listener."""
    record.verdict = "deny"
    record.arguments = _bounded(record.arguments)
    if not caller.sees(request.resource):
        return Denied(resource=request.resource, request=record.request)
    denies = decide(ruleset, caller.peer, request).denies
    record.rules = tuple(rule.id for rule in denies)
    hint = next((rule.hint for rule in denies if rule.hint), None)
    return Denied(resource=request.resource, hint=hint, request=record.request)


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


def _check_count(resource: Resource, count: int) -> None:
    kind = kind_of(resource.kind)
    if count < 1 or (count > 1 and not kind.many):
        raise InvalidParameter(parameter="count")
    if count * len(kind.descriptors) > MAX_DESCRIPTORS:
        raise LimitReached(limit="count")
