# SPDX-License-Identifier: MIT
"""An answer and its reasons, for a person."""

from collections.abc import Iterator, Mapping

from fdbrokerd.model.facts import KEYS, Unknown, shown
from fdbrokerd.model.peer import UNMAPPED_ID, Peer
from fdbrokerd.model.resource import Request, Resource, resource_of
from fdbrokerd.model.rule import Effect
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import is_whole, objection, written
from fdbrokerd.policy import decide, may_some
from fdbrokerd.trace import Considered, consider, nearest


def explain(
    ruleset: Ruleset, peer: Peer, request: Request, user: str | None = None
) -> tuple[bool, str]:
    """Return whether a request is allowed, and a text with every rule that was considered.

    `user` is the name of the peer's user, where `naming.names_user` of the resource tells that it
    is needed. A name that the peer cannot have is denied, whatever rules allow it.
    """
    resource = ruleset.resources.get(resource_of(request.resource))
    problem = None if resource is None else objection(resource, request, peer, user)
    verdict = decide(ruleset, peer, request)
    considered = consider(ruleset, peer, request)
    lines = [f"{request.verb} {request.resource}{_told(request.arguments)}", f"  by {_who(peer)}"]
    if resource is None:
        lines.append("  there is no such resource")
    lines += _rules(considered)
    if problem is not None:
        lines.append(f"  {request.resource} {problem}")
    if not verdict.allowed and _some(ruleset, resource, peer, request):
        lines.append(f"=> allowed by {', '.join(_of_items(considered))}, for some of its items")
        return True, "\n".join(lines)
    if verdict.allowed and problem is None:
        lines.append(f"=> allowed by {', '.join(verdict.rule_ids)}")
        return True, "\n".join(lines)
    if verdict.denies:
        lines.append(f"=> denied by {', '.join(verdict.rule_ids)}")
    elif not verdict.allowed:
        lines.append("=> denied: no rule allows it")
    else:
        lines.append("=> denied: not by a rule but by the name")
    lines += _change(considered)
    if problem is not None:
        lines.append(_other_name(resource))
    return False, "\n".join(lines)


def _told(arguments: Mapping[str, str]) -> str:
    return "".join(f" {name}={value}" for name, value in arguments.items())


def _who(peer: Peer) -> str:
    groups = " ".join(_shown(gid) for gid in sorted(peer.groups))
    told = [f"uid {_shown(peer.uid)}", f"groups {groups}"]
    for key in KEYS:
        fact = peer.facts.of(key)
        if isinstance(fact, str):
            told.append(f"{key} {shown(fact)}")
    if all(isinstance(peer.facts.of(key), Unknown) for key in KEYS):
        told.append("nothing known of its process")
    if peer.foreign:
        told.append("of another namespace")
    return ", ".join(told)


def _shown(number: int) -> str:
    return "unknown" if number == UNMAPPED_ID else str(number)


def _rules(considered: tuple[Considered, ...]) -> Iterator[str]:
    """Yield the rules by file, each with its line and what is in its way."""
    file = None
    for one in considered:
        if one.rule.place.file != file:
            file = one.rule.place.file
            yield f"  {file}:"
        effect = one.rule.effect.value
        where = f"    {one.rule.place.line}: {effect} {one.rule.id}"
        if one.takes_part:
            unknown = f", since {one.obstacles[0]}" if one.obstacles else ""
            yield f"{where}: holds{unknown}"
        else:
            yield f"{where}: does not hold; {one.obstacles[0]}"


def _change(considered: tuple[Considered, ...]) -> Iterator[str]:
    """Yield the smallest change that would allow it."""
    denies = [one for one in considered if one.takes_part and one.rule.effect is Effect.DENY]
    for one in denies:
        yield f"   to allow it: {one.rule.id} ({one.rule.place}) must not hold"
    if any(one.takes_part and one.rule.effect is Effect.ALLOW for one in considered):
        return
    near = nearest(considered)
    if near is None:
        yield "   to allow it: write a rule that allows it; there is none about this resource"
        return
    for obstacle in near.obstacles:
        yield f"   to allow it: in {near.rule.id} ({near.rule.place}), {obstacle}"


def _some(ruleset: Ruleset, resource: Resource | None, peer: Peer, request: Request) -> bool:
    """Tell whether a request about all items of a resource is allowed for some of them."""
    return (
        resource is not None
        and is_whole(resource, request)
        and may_some(ruleset, peer, request.verb, resource.name)
    )


def _of_items(considered: tuple[Considered, ...]) -> Iterator[str]:
    """Yield the allows that hold for some items, if not for all."""
    for one in considered:
        if one.rule.effect is Effect.ALLOW and all(each.key == "allow" for each in one.obstacles):
            yield one.rule.id


def _other_name(resource: Resource | None) -> str:
    """Return what would help where the name is what is wrong."""
    assert resource is not None, "a name that is refused is one of a resource"
    names = None if resource.holding is None else resource.holding.names
    if names is None:
        return "   to allow it: ask by another name"
    return (
        f"   to allow it: its name must be of {written(names)} ({resource.name}, {resource.place})"
    )
