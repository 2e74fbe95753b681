# SPDX-License-Identifier: MIT
"""The calls that open nothing: who am I, what may I get and why, how is the broker."""

from collections.abc import Mapping
from typing import Protocol

from fdbrokerd.asked import InForce, asked
from fdbrokerd.audit import Record
from fdbrokerd.errors import Denied, InvalidParameter, PermissionDenied
from fdbrokerd.exchange import Caller
from fdbrokerd.interfaces import NAMES, descriptions
from fdbrokerd.leases import Leases
from fdbrokerd.messages import (
    Explain,
    GetInfo,
    GetInterfaceDescription,
    List,
    Parameters,
    Release,
    Reload,
    Status,
    WhoAmI,
)
from fdbrokerd.policy import decide, may
from fdbrokerd.version import __version__

PROJECT_URL = "https://github.com/fdbroker/fdbrokerd"


class Host(Protocol):
    """What the broker asks of the process that it runs in."""

    def status(self) -> Mapping[str, object]:
        """Return what io.fdbroker.Manager.Status says."""
        ...

    def reload(self) -> None:
        """Load the rules again, all or nothing. Raises ReloadFailed."""
        ...

    def write_soon(self) -> None:
        """Have the records that wait written when the loop's turn is over."""
        ...


def reply_to(
    question: Parameters,
    caller: Caller,
    in_force: InForce,
    leases: Leases,
    host: Host,
    record: Record,
) -> object:
    """Return the parameters of the reply. Raises CallError."""
    match question:
        case GetInfo() | GetInterfaceDescription():
            return _about_service(question)
        case WhoAmI():
            return {"peer": _who(caller)}
        case List():
            return {"items": _items(caller, in_force, leases)}
        case Explain():
            return _explain(question, caller, in_force, record)
        case Release(grant=grant):
            if not leases.release(grant, caller.peer.uid):
                raise InvalidParameter(parameter="grant")
            return {}
        case _:
            return _manage(question, caller, in_force, host)


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
    peer = caller.peer
    return {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid, "groups": sorted(peer.groups)}


def _items(caller: Caller, in_force: InForce, leases: Leases) -> list[dict[str, object]]:
    ruleset = in_force.ruleset
    return [
        {
            "name": name,
            "kind": resource.kind,
            "state": "available",
            "holders": leases.holders(name),
        }
        for name, resource in sorted(ruleset.resources.items())
        if caller.sees(name) and may(ruleset, caller.peer, "get", name)
    ]


def _explain(
    question: Explain, caller: Caller, in_force: InForce, record: Record
) -> dict[str, object]:
    """Tell a peer about itself: the rules that allow, or the hint of one that denies."""
    hint = None
    try:
        _, request = asked(in_force.ruleset, caller, question, record)
        verdict = decide(in_force.ruleset, caller.peer, request)
        if verdict.allowed:
            return {"allowed": True, "text": f"allowed by rule {', '.join(verdict.rule_ids)}"}
        hint = verdict.hint
    except Denied as denied:
        hint = denied.hint
    text = "no rule allows this" + (f" ({hint})" if hint else "")
    return {"allowed": False, "text": text}


def _manage(question: Parameters, caller: Caller, in_force: InForce, host: Host) -> object:
    """Answer root, and the peers that the setting `admins` names."""
    admins = in_force.admins
    if caller.peer.uid != 0 and not (admins is not None and admins.holds(caller.peer)):
        raise PermissionDenied
    match question:
        case Status():
            return host.status()
        case Reload():
            host.reload()
            return {}
        case _:
            raise AssertionError(f"no answer to {type(question).__name__}")
