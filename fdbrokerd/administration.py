# SPDX-License-Identifier: MIT
"""The calls of io.fdbroker.Manager: for root, and the peers that the setting `admins` names."""

from collections.abc import Mapping
from typing import Protocol

from fdbrokerd.asked import InForce
from fdbrokerd.calls import ExplainOther, Parameters, Pretended, Reload, Status, WhoCan
from fdbrokerd.denials import Denials
from fdbrokerd.errors import NotFound, PermissionDenied
from fdbrokerd.exchange import Caller
from fdbrokerd.explanation import explain
from fdbrokerd.model.facts import KEYS
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.peer import NoIdentity, of_process
from fdbrokerd.rules.pretended import Pretence
from fdbrokerd.who_can import who_can_text


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


def administer(
    question: Parameters, caller: Caller, in_force: InForce, host: Host, denials: Denials
) -> object:
    """Return the parameters of the reply to an administrator. Raises CallError."""
    if not _may(caller.peer, in_force):
        raise PermissionDenied
    match question:
        case Status():
            return host.status()
        case Reload():
            host.reload()
            return {}
        case ExplainOther():
            allowed, text = _explain(question, in_force, denials)
            return {"allowed": allowed, "text": text}
        case WhoCan():
            arguments = question.arguments or {}
            verb = question.do or "get"
            return {"text": who_can_text(in_force.ruleset, verb, question.resource, arguments)}
        case _:
            raise AssertionError(f"no answer to {type(question).__name__}")


def _may(peer: Peer, in_force: InForce) -> bool:
    """Tell whether a peer manages the broker: root does, but not that of a container."""
    if peer.uid == 0 and not peer.foreign:
        return True
    return in_force.admins is not None and in_force.admins.admits(peer)


def _explain(question: ExplainOther, in_force: InForce, denials: Denials) -> tuple[bool, str]:
    if question.request is not None:
        denial = denials.find(question.request)
        if denial is None:
            raise NotFound(what=f"denial {question.request} among the recent ones")
        allowed, text = explain(denial.ruleset, denial.peer, denial.request)
        if not denial.served:
            allowed, text = False, f"{text}\n   but the listener that was asked does not serve it"
        if denial.ruleset is not in_force.ruleset:
            text += "\n   these rules are no longer in force"
        return allowed, text
    arguments: Mapping[str, str] = question.arguments or {}
    resource = in_force.ruleset.resources.get(question.resource or "")
    if resource is not None:
        arguments = resource.complete(arguments)
    request = Request(question.do or "get", question.resource or "", arguments)
    return explain(in_force.ruleset, _peer(question), request)


def _peer(question: ExplainOther) -> Peer:
    if question.as_ is not None:
        return pretended(question.as_)
    assert question.pid is not None, "messages has checked it"
    try:
        return of_process(question.pid)
    except NoIdentity as error:
        raise NotFound(what=f"process {question.pid}") from error


def pretended(made_up: Pretended) -> Peer:
    """Return a peer that is made up: what it is not given it has not; its ids are then unknown."""
    given = {key: getattr(made_up, key.replace("-", "_")) for key in KEYS}
    facts = {key: text for key, text in given.items() if text}
    return Pretence(made_up.uid, tuple(made_up.gids or ()), facts).peer()
