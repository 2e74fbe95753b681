# SPDX-License-Identifier: MIT
"""Allows that can never allow, because one deny holds wherever they do.

Order never matters, so such a rule is not overruled by chance: whoever wrote it is mistaken.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fdbrokerd.model.coverage import Coverage
from fdbrokerd.model.item_glob import includes
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import Resource, item_of
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.rules.document import wrong
from fdbrokerd.rules.mistakes import Mistakes

_About = dict[str, tuple[str, ...] | None]


class _Denies:
    """Denies that hold whatever the arguments are, found by a uid that they are about.

    Some thousand rules for one uid each would otherwise be compared each with each.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._of_one: defaultdict[int, list[Rule]] = defaultdict(list)
        self._of_many: list[Rule] = []
        for rule in rules:
            if rule.effect is Effect.DENY and not rule.arguments:
                uid = _only_uid(rule.peer)
                (self._of_many if uid is None else self._of_one[uid]).append(rule)

    def near(self, peer: PeerMatch) -> Iterator[Rule]:
        """Yield those that could hold for every peer that is meant."""
        yield from self._of_many
        uid = _only_uid(peer)
        if uid is not None:
            yield from self._of_one.get(uid, ())


def check_swallowed(
    rules: Sequence[Rule], resources: Mapping[str, Resource], mistakes: Mistakes
) -> None:
    """Find the allows whose resources, verbs and peers one deny has too, or more of each."""
    coverage = Coverage(resources)
    about = {id(rule): _about(rule, resources, coverage) for rule in rules}
    denies = _Denies(rules)
    for allow in rules:
        if allow.effect is not Effect.ALLOW or not about[id(allow)]:
            continue
        for deny in denies.near(allow.peer):
            if (
                _within(about[id(allow)], about[id(deny)])
                and allow.verbs <= deny.verbs
                and deny.peer.includes(allow.peer)
            ):
                message = f"{allow.id} never allows: {deny.id} ({deny.place}) denies all of it"
                mistakes.add(wrong(message, allow.place))
                break


def _about(rule: Rule, resources: Mapping[str, Resource], coverage: Coverage) -> _About:
    """Return the resources of a rule, each whole (None) or with globs of its items."""
    about: _About = {}
    for entry in rule.resources:
        for name in coverage.of(entry):
            if "/" not in entry:
                about[name] = None
            elif resources[name].holding is not None:
                globs = about.get(name, ())
                about[name] = None if globs is None else (*globs, item_of(entry))
    return about


def _within(narrow: _About, wide: _About) -> bool:
    """Tell whether all that one rule is about is certainly what the other is about."""
    return narrow.keys() <= wide.keys() and all(
        (covering := wide[name]) is None
        or (globs is not None and all(_one_includes(covering, glob) for glob in globs))
        for name, globs in narrow.items()
    )


def _one_includes(globs: tuple[str, ...], narrow: str) -> bool:
    return any(includes(glob, narrow) for glob in globs)


def _only_uid(peer: PeerMatch) -> int | None:
    """Return the one uid that a match is about, None where it is about several or about all."""
    for ids in peer.uids:
        ends = {end for pair in ids.ranges for end in pair}
        if len(ends) == 1:
            return ends.pop()
    return None
