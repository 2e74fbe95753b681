# SPDX-License-Identifier: MIT
"""The calls of io.fdbroker.Manager: for root, and the peers that the setting `admins` names."""

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from fdbrokerd.asked import InForce
from fdbrokerd.calls import ExplainOther, Parameters, Pretended, Reload, Status, WhoCan
from fdbrokerd.denials import Denials
from fdbrokerd.errors import NotFound, PermissionDenied
from fdbrokerd.explanation import explain
from fdbrokerd.judge import Own
from fdbrokerd.model.facts import KEYS
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.peer import NoIdentity, of_process
from fdbrokerd.rules.pretended import Pretence
from fdbrokerd.who_can import who_can_text

ADMINISTRATIVE = (Status, Reload, ExplainOther, WhoCan)


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

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], object]:
        """Call something in so many seconds; return what ends that."""
        ...

    def clock(self) -> float:
        """Return the time since the boot, in seconds."""
        ...

    def own(self) -> Own:
        """Return by what the broker's own sockets are known."""
        ...


class Subject(Struct, frozen=True):
    """What an administrator asks about: a request of somebody, and the rules to judge it by.

    `remarks` are lines to add to the explanation; `served` False: it was denied whatever they say.
    """

    peer: Peer
    request: Request
    ruleset: Ruleset
    served: bool = True
    remarks: tuple[str, ...] = ()


def subject_of(
    question: Parameters, peer: Peer, in_force: InForce, denials: Denials
) -> Subject | None:
    """Return what is to be explained, None for another question.

    Raises PermissionDenied where it is one for administrators, and this peer is none: root is, but
    not that of a container. NotFound and InvalidArgument for what cannot be explained.
    """
    if not isinstance(question, ADMINISTRATIVE):
        return None
    is_root = peer.uid == 0 and not peer.foreign
    if not is_root and (in_force.admins is None or not in_force.admins.admits(peer)):
        raise PermissionDenied
    if not isinstance(question, ExplainOther):
        return None
    if question.request is not None:
        return _denied(question.request, in_force, denials)
    arguments: Mapping[str, str] = question.arguments or {}
    resource = in_force.ruleset.resources.get(resource_of(question.resource or ""))
    if resource is not None:
        arguments = resource.complete(arguments)
    request = Request(question.do or "get", question.resource or "", arguments)
    return Subject(_peer(question), request, in_force.ruleset)


def _denied(name: str, in_force: InForce, denials: Denials) -> Subject:
    denial = denials.find(name)
    if denial is None:
        raise NotFound(what=f"denial {name} among the recent ones")
    remarks = []
    if not denial.served:
        remarks.append("   but the listener that was asked does not serve it")
    if denial.ruleset is not in_force.ruleset:
        remarks.append("   these rules are no longer in force")
    return Subject(denial.peer, denial.request, denial.ruleset, denial.served, tuple(remarks))


def administer(
    question: Parameters, in_force: InForce, host: Host, subject: Subject | None, user: str | None
) -> object:
    """Return the parameters of the reply to an administrator. Raises CallError.

    `subject` is what an Explain is about, `user` the name of its peer, if it matters.
    """
    match question:
        case Status():
            return host.status()
        case Reload():
            host.reload()
            return {}
        case ExplainOther():
            assert subject is not None
            allowed, text = explain(subject.ruleset, subject.peer, subject.request, user)
            text = "\n".join((text, *subject.remarks))
            return {"allowed": allowed and subject.served, "text": text}
        case WhoCan():
            arguments = question.arguments or {}
            verb = question.do or "get"
            return {"text": who_can_text(in_force.ruleset, verb, question.resource, arguments)}
        case _:
            raise AssertionError(f"no answer to {type(question).__name__}")


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
