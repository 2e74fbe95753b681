# SPDX-License-Identifier: MIT
"""Why the answer is what it is: every rule about a resource, and the first key in its way.

For administrators; a peer is told only about itself. Pure, as the decision is, and held to it by a
test: what is traced here always comes to the verdict of `decide`.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.facts import Unknown, shown
from fdbrokerd.model.match import PeerMatch, either
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer, Truth
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.model.rule import Effect, Rule, covered
from fdbrokerd.model.ruleset import Ruleset


class Obstacle(Struct, frozen=True):
    """A key of a rule that does not hold: what it wants, what was found, whether that is known."""

    key: str
    wanted: str
    found: str
    unknown: bool = False

    def __str__(self) -> str:
        return f"{self.key}: wants {self.wanted}, found {self.found}"


class Considered(Struct, frozen=True):
    """A rule, whether it takes part in the verdict, and what is in its way.

    A deny takes part also where its only obstacles are unknown.
    """

    rule: Rule
    takes_part: bool
    obstacles: tuple[Obstacle, ...]


def consider(ruleset: Ruleset, peer: Peer, request: Request) -> tuple[Considered, ...]:
    """Return every rule about the resource or items of it, in the order of the files."""
    index = ruleset.about.get(resource_of(request.resource))
    rules = () if index is None else index.everything
    in_order = sorted(rules, key=lambda rule: (rule.place.file, rule.place.line))
    return tuple(_considered(rule, peer, request) for rule in in_order)


def _considered(rule: Rule, peer: Peer, request: Request) -> Considered:
    obstacles = (*_of_request(rule, request), *_of_peer(rule.peer, peer))
    if rule.effect is Effect.DENY:
        return Considered(rule, all(one.unknown for one in obstacles), obstacles)
    if not rule.peer.at_home(peer):
        foreign = Obstacle("container", "container or unit in the rule", "a foreign namespace")
        obstacles = (*obstacles, foreign)
    return Considered(rule, not obstacles, obstacles)


def nearest(considered: tuple[Considered, ...]) -> Considered | None:
    """Return the allow that the fewest obstacles keep from holding: the smallest change."""
    allows = [one for one in considered if one.rule.effect is Effect.ALLOW and not one.takes_part]
    return min(allows, key=lambda one: len(one.obstacles), default=None)


def _of_request(rule: Rule, request: Request) -> Iterator[Obstacle]:
    about = resource_of(request.resource)
    if not rule.covers(request.resource):
        globs = [one for one in rule.resources if covered(about, (resource_of(one),))]
        yield Obstacle(rule.effect.value, _one_of(globs), request.resource)
    if request.verb not in rule.verbs:
        yield Obstacle("do", _one_of(sorted(rule.verbs)), request.verb)
    yield from _of_arguments(rule.arguments, request.arguments)


def _of_arguments(
    limits: Mapping[str, ArgumentLimit], values: Mapping[str, str]
) -> Iterator[Obstacle]:
    for name, limit in limits.items():
        value = values.get(name)
        if not limit.holds(value):
            yield Obstacle(f"with.{name}", str(limit), "none" if value is None else value)


def _of_peer(match: PeerMatch, peer: Peer, prefix: str = "") -> Iterator[Obstacle]:
    for ids in match.uids:
        yield from _of_id(f"{prefix}uid", ids, ids.holds(peer.uid), _shown_id(peer.uid))
    for ids in match.gids:
        found = ", ".join(_shown_id(gid) for gid in sorted(peer.groups))
        truth = either(ids.holds(gid) for gid in peer.groups)
        yield from _of_id(f"{prefix}gid", ids, truth, found)
    for fact in match.facts:
        truth = fact.holds(peer)
        if truth is not True:
            value = peer.facts.of(fact.key)
            found = "unknown" if isinstance(value, Unknown) else shown(value or "none")
            yield Obstacle(f"{prefix}{fact.key}", _one_of(fact.globs), found, truth is None)
    for group in match.any_of:
        yield from _of_any(group, peer, prefix)
    for index, one in enumerate(match.none_of):
        truth = one.holds(peer)
        if truth is not False:
            key = f"{prefix}not" if len(match.none_of) == 1 else f"{prefix}not[{index}]"
            found = "that it holds" if truth else "that it is unknown"
            yield Obstacle(key, "that it does not hold", found, truth is None)


def _of_id(key: str, ids: IdRanges, truth: Truth, found: str) -> Iterator[Obstacle]:
    if truth is not True:
        yield Obstacle(key, str(ids), found, truth is None)


def _of_any(group: tuple[PeerMatch, ...], peer: Peer, prefix: str) -> Iterator[Obstacle]:
    """Yield the obstacles of the nearest branch of a group of which none holds.

    Where the group is unknown, it is for its unknown branches; a false one is not the reason.
    """
    truth = either(one.holds(peer) for one in group)
    if truth is True:
        return
    branches = (one for one in group if one.holds(peer) is truth)
    yield from min((tuple(_of_peer(one, peer, f"{prefix}any.")) for one in branches), key=len)


def _one_of(words: tuple[str, ...] | list[str]) -> str:
    return " or ".join(words)


def _shown_id(number: int) -> str:
    return f"{number} (not mapped here)" if number == UNMAPPED_ID else str(number)
