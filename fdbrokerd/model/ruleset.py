# SPDX-License-Identifier: MIT
"""All that is in force, replaced whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from fdbrokerd.model.coverage import Coverage
from fdbrokerd.model.index import RuleIndex
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Resource, resource_of
from fdbrokerd.model.rule import Rule


class Ruleset(Struct, frozen=True):
    """Resources, rules, and for each resource the rules that are about it, in order of id.

    The order is for people who read an explanation; no verdict depends on it.
    """

    resources: Mapping[str, Resource]
    rules: tuple[Rule, ...]
    files: tuple[str, ...] = ()
    about: Mapping[str, RuleIndex] = field(default_factory=dict)
    uses_facts: bool = False

    @classmethod
    def of(
        cls, resources: Iterable[Resource], rules: Iterable[Rule], files: Iterable[str] = ()
    ) -> "Ruleset":
        """Compile them, so that a decision looks only at rules about its resource."""
        by_name = {resource.name: resource for resource in resources}
        ordered = tuple(sorted(rules, key=lambda rule: rule.id))
        coverage = Coverage(by_name)
        about: dict[str, list[Rule]] = {name: [] for name in by_name}
        for rule in ordered:
            for name in {name for entry in rule.resources for name in coverage.of(entry)}:
                about[name].append(rule)
        indexes = {name: RuleIndex(concerning) for name, concerning in about.items()}
        uses_facts = any(rule.peer.uses_facts for rule in ordered)
        return cls(by_name, ordered, tuple(files), indexes, uses_facts)

    def concerning(self, name: str, peer: Peer) -> Iterator[Rule]:
        """Yield the rules about a resource or an item that can be anything but false for a peer."""
        index = self.about.get(resource_of(name))
        if index is None:
            return iter(())
        rules = index.concerning(peer)
        return (rule for rule in rules if rule.covers(name)) if index.narrow else rules

    def concerning_items(self, resource: str, peer: Peer) -> Iterator[Rule]:
        """Yield the rules about a resource or any of its items that can hold for a peer."""
        index = self.about.get(resource)
        return iter(()) if index is None else index.concerning(peer)


NOTHING = Ruleset.of((), ())
"""No rules: nobody gets anything, root included."""
