# SPDX-License-Identifier: MIT
"""An answer and its reasons, for a person."""

from collections.abc import Iterator, Mapping

from fdbrokerd.model.facts import KEYS, Unknown, shown
from fdbrokerd.model.peer import UNMAPPED_ID, Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.model.rule import Effect
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.policy import decide
from fdbrokerd.trace import Considered, consider, nearest


def explain(ruleset: Ruleset, peer: Peer, request: Request) -> tuple[bool, str]:
    """Return whether a request is allowed, and a text with every rule that was considered."""
    verdict = decide(ruleset, peer, request)
    considered = consider(ruleset, peer, request)
    lines = [f"{request.verb} {request.resource}{_told(request.arguments)}", f"  by {_who(peer)}"]
    if request.resource not in ruleset.resources:
        lines.append("  there is no such resource")
    lines += _rules(considered)
    if verdict.allowed:
        lines.append(f"=> allowed by {', '.join(verdict.rule_ids)}")
        return True, "\n".join(lines)
    if verdict.denies:
        lines.append(f"=> denied by {', '.join(verdict.rule_ids)}")
    else:
        lines.append("=> denied: no rule allows it")
    lines += _change(considered)
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
