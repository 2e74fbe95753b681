# SPDX-License-Identifier: MIT
"""Which rules can concern a peer at all, found without looking at the others.

A rule is filed under one key that it needs: a range of uids, a range of gids, or the exact name of
a unit. It is looked at only for peers that have that key, and for those of whom it is unknown;
rules without such a key are looked at for everybody. Leaving out a rule whose key is certainly
false changes no verdict.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain

from fdbrokerd.model.facts import Unknown
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer
from fdbrokerd.model.rule import Rule

MAX_FILED_RANGES = 64
"""A rule with more ranges than this is looked at for everybody: filing it would cost more."""

_GLOB = frozenset("*?")


class _Segments:
    """Rules by ranges of ids: the numbers are cut where any range begins or ends."""

    def __init__(self) -> None:
        self._filed: list[tuple[int, int, Rule]] = []
        self._starts: list[int] = []
        self._rules: list[tuple[Rule, ...]] = []

    def add(self, ids: IdRanges, rule: Rule) -> None:
        self._filed += [(low, high, rule) for low, high in ids.ranges]

    def freeze(self) -> None:
        """Cut the numbers in one sweep: a range opens its rule and closes it after `high`."""
        events: dict[int, tuple[list[Rule], list[Rule]]] = {}
        for low, high, rule in self._filed:
            events.setdefault(low, ([], []))[0].append(rule)
            events.setdefault(high + 1, ([], []))[1].append(rule)
        is_open: dict[int, tuple[Rule, int]] = {}
        for start in sorted(events):
            opened, closed = events[start]
            for rule in opened:
                is_open[id(rule)] = (rule, is_open.get(id(rule), (rule, 0))[1] + 1)
            for rule in closed:
                count = is_open[id(rule)][1] - 1
                if count:
                    is_open[id(rule)] = (rule, count)
                else:
                    del is_open[id(rule)]
            self._starts.append(start)
            self._rules.append(tuple(rule for rule, _ in is_open.values()))
        self._filed.clear()

    def at(self, number: int) -> tuple[Rule, ...]:
        index = bisect_right(self._starts, number) - 1
        return self._rules[index] if index >= 0 else ()


class RuleIndex:
    """The rules about one resource and its items; `narrow` where one is about some items only."""

    __slots__ = ("_by_gid", "_by_uid", "_by_unit", "_for_everybody", "everything", "narrow")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.everything = tuple(rules)
        self.narrow = any(rule.narrow for rule in self.everything)
        self._by_uid, self._by_gid = _Segments(), _Segments()
        self._by_unit: dict[str, list[Rule]] = {}
        self._for_everybody: list[Rule] = []
        for rule in self.everything:
            self._file(rule)
        self._by_uid.freeze()
        self._by_gid.freeze()

    def _file(self, rule: Rule) -> None:
        units = next((one.globs for one in rule.peer.facts if one.key == "unit"), ())
        if units and not any(_GLOB & set(unit) for unit in units):
            for unit in units:
                self._by_unit.setdefault(unit, []).append(rule)
        elif rule.peer.uids and len(rule.peer.uids[0].ranges) <= MAX_FILED_RANGES:
            self._by_uid.add(rule.peer.uids[0], rule)
        elif rule.peer.gids and len(rule.peer.gids[0].ranges) <= MAX_FILED_RANGES:
            self._by_gid.add(rule.peer.gids[0], rule)
        else:
            self._for_everybody.append(rule)

    def concerning(self, peer: Peer) -> Iterator[Rule]:
        """Yield the rules that can be anything but false for the peer; some may come twice."""
        unit = peer.facts.unit
        if peer.uid == UNMAPPED_ID or UNMAPPED_ID in peer.groups:
            return iter(self.everything)
        if isinstance(unit, Unknown) and self._by_unit:
            return iter(self.everything)
        return chain(
            self._for_everybody,
            self._by_uid.at(peer.uid),
            chain.from_iterable(map(self._by_gid.at, peer.groups)),
            self._by_unit.get(unit, ()) if isinstance(unit, str) else (),
        )
