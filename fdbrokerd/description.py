# SPDX-License-Identifier: MIT
"""The parts of a rule, for a person: the same words wherever a rule is told."""

from collections.abc import Iterable, Iterator, Mapping

from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import IdRanges
from fdbrokerd.model.resource import item_of, resource_of
from fdbrokerd.model.rule import Limit, Rule, covered

EVERYBODY = "everybody"
"""Who is meant by a match without a condition."""


def described(match: PeerMatch) -> str:
    """Return which peers are meant: `uid 0 or 5-9, unit a.service, not (gid 7)`.

    What stands between commas must hold together. Ids are numbers, as they are compiled: what a
    name meant when the rules were loaded is what counts.
    """
    return ", ".join(_conditions(match)) or EVERYBODY


def described_arguments(limits: Mapping[str, ArgumentLimit]) -> str:
    """Return what the arguments must be: `part=key or chain, port=1-1023`; empty for any."""
    return ", ".join(f"{name}={limit}" for name, limit in limits.items())


def described_items(rule: Rule, resource: str) -> str:
    """Return which items of a resource a rule is about, `web-* or db/**`.

    Empty for a rule that is about all of it, itself included.
    """
    if rule.covers(resource):
        return ""
    globs = (one for one in rule.resources if covered(resource, (resource_of(one),)))
    return _either(dict.fromkeys(map(item_of, globs)))


def described_limit(limit: Limit) -> str:
    """Return how much may be had: `4 at once, 30/min, per uid`."""
    told = [] if limit.held is None else [f"{limit.held} at once"]
    if limit.rate is not None:
        told.append(str(limit.rate))
    return ", ".join([*told, f"per {limit.per.value}"])


def _conditions(match: PeerMatch) -> Iterator[str]:
    for ids in match.uids:
        yield f"uid {_ids(ids)}"
    for ids in match.gids:
        yield f"gid {_ids(ids)}"
    for fact in match.facts:
        yield f"{fact.key} {_either(fact.globs)}"
    for group in match.any_of:
        if len(group) == 1:
            yield described(group[0])
        else:
            yield f"({_either(f'({described(one)})' for one in group)})"
    for one in match.none_of:
        yield f"not ({described(one)})"


def _ids(ids: IdRanges) -> str:
    return str(ids).replace(", ", " or ")


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)
