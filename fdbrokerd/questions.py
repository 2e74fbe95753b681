# SPDX-License-Identifier: MIT
"""The calls that open nothing: who am I, what may I get and why, how is the broker."""

from msgspec import Struct

from fdbrokerd.asked import InForce, asked, request_of
from fdbrokerd.audit import Record
from fdbrokerd.calls import (
    Explain,
    GetInfo,
    GetInterfaceDescription,
    List,
    Parameters,
    Release,
    WhoAmI,
)
from fdbrokerd.errors import Denied, InvalidParameter
from fdbrokerd.exchange import Caller
from fdbrokerd.interfaces import NAMES, descriptions
from fdbrokerd.kinds import kind_of
from fdbrokerd.leases import Leases
from fdbrokerd.listing import listed
from fdbrokerd.model.facts import KEYS, shown
from fdbrokerd.model.resource import Resource
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import is_whole
from fdbrokerd.policy import decide, may, may_some
from fdbrokerd.store.store import Store
from fdbrokerd.version import __version__

PROJECT_URL = "https://github.com/fdbroker/fdbrokerd"


class View(Struct, frozen=True):
    """What questions are answered from."""

    in_force: InForce
    leases: Leases
    store: Store


def reply_to(
    question: Parameters, caller: Caller, user: str | None, view: View, record: Record
) -> object:
    """Return the parameters of the reply; `user` is the peer's name, if it matters.

    Raises CallError.
    """
    match question:
        case GetInfo() | GetInterfaceDescription():
            return _about_service(question)
        case WhoAmI():
            return {"peer": _who(caller)}
        case List():
            return {
                "items": [
                    *_resources(caller, view),
                    *listed(caller, user, view.in_force, view.leases, view.store),
                ]
            }
        case Explain():
            return _explain(question, caller, user, view.in_force.ruleset, record)
        case Release(grant=grant):
            if not view.leases.release(grant, caller.peer.uid):
                raise InvalidParameter(parameter="grant")
            return {}
        case _:
            raise AssertionError(f"no answer to {type(question).__name__}")


def _about_service(question: GetInfo | GetInterfaceDescription) -> object:
    if isinstance(question, GetInterfaceDescription):
        if question.interface not in NAMES:
            raise InvalidParameter(parameter="interface")
        return {"description": descriptions()[question.interface]}
    return {
        "vendor": "fdbrokerd",
        "product": "fdbrokerd",
        "version": __version__,
        "url": PROJECT_URL,
        "interfaces": NAMES,
    }


def _who(caller: Caller) -> dict[str, object]:
    """Return what is known of the peer; what is not known or not there is left out."""
    peer = caller.peer
    told: dict[str, object] = {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid}
    told["groups"] = sorted(peer.groups)
    for key in KEYS:
        fact = peer.facts.of(key)
        if isinstance(fact, str):
            told["userUnit" if key == "user-unit" else key] = shown(fact)
    return told


def _resources(caller: Caller, view: View) -> list[dict[str, object]]:
    """Return the resources that the peer may get by themselves, and stores that it may use."""
    ruleset = view.in_force.ruleset
    return [
        {
            "name": name,
            "kind": resource.kind,
            "state": "available",
            "holders": view.leases.holders(name),
        }
        for name, resource in sorted(ruleset.resources.items())
        if caller.sees(name) and _is_for(ruleset, caller, resource)
    ]


def _is_for(ruleset: Ruleset, caller: Caller, resource: Resource) -> bool:
    """Tell whether a peer may do something with a resource, or with some item that it may hold."""
    if resource.holding is None:
        return may(ruleset, caller.peer, "get", resource.name)
    verbs = kind_of(resource.kind).verbs
    return any(may_some(ruleset, caller.peer, verb, resource.name) for verb in verbs)


def _explain(
    question: Explain, caller: Caller, user: str | None, ruleset: Ruleset, record: Record
) -> dict[str, object]:
    """Tell a peer about itself: the rules that allow, or the hint of one that denies."""
    hint = None
    written = request_of(question)
    assert written is not None
    try:
        resource, request = asked(ruleset, caller, written, user, record)
        verdict = decide(ruleset, caller.peer, request)
        if verdict.allowed:
            return {"allowed": True, "text": f"allowed by rule {', '.join(verdict.rule_ids)}"}
        if is_whole(resource, request) and may_some(
            ruleset, caller.peer, request.verb, resource.name
        ):
            return {"allowed": True, "text": "allowed for some of its items"}
        hint = verdict.hint
    except Denied as denied:
        hint = denied.hint
    text = "no rule allows this" + (f" ({hint})" if hint else "")
    return {"allowed": False, "text": text}
