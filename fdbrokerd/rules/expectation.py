# SPDX-License-Identifier: MIT
"""The section `tests`: requests, and what the rules must say to them.

    - {as: {user: root}, get: tls, with: {part: privkey}, expect: allow}

They are run at every load, so rules whose tests fail never come into force.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.kinds import kind_of
from fdbrokerd.model.key import Key, Table, Text, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Place, Request
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.policy import decide
from fdbrokerd.rules.document import Node, wrong
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.pretended import PRETENDED, pretended
from fdbrokerd.rules.reader import Reading, read, sequence
from fdbrokerd.rules.rule import Known


@dataclass(frozen=True, slots=True)
class Expectation:
    """One test."""

    peer: Peer
    request: Request
    allowed: bool
    place: Place

    def check(self, ruleset: Ruleset) -> None:
        """Raise a ConfigurationError if the rules say something else, with the ids of those."""
        verdict = decide(ruleset, self.peer, self.request)
        if verdict.allowed != self.allowed:
            wanted = "allow" if self.allowed else "deny"
            raise wrong(f"the test expects {wanted}, but {_told(verdict)}", self.place)


def keys(verbs: Iterable[str]) -> Mapping[str, Key]:
    """Return the keys of a test, one for each verb among them."""
    return {
        "as": Key(PRETENDED, "who asks", required=True),
        "with": Key(Table(Text()), "the arguments of the request"),
        "expect": Key(Word(("allow", "deny")), "what the rules must say", required=True),
        **{verb: Key(Text(), f"the resource to {verb}") for verb in sorted(verbs)},
    }


def expectations(node: Node, known: Known, mistakes: Mistakes) -> list[Expectation]:
    """Return the tests of a section, without those that are wrong."""
    found: list[Expectation] = []
    table = keys(known.verbs | {"get"})
    with mistakes.kept():
        for item in sequence(node).items:
            with mistakes.kept():
                found += _expectation(read(item, table), known)
    return found


def _expectation(reading: Reading, known: Known) -> list[Expectation]:
    """Return the test, or nothing where its resource is wrong itself."""
    values = reading.values
    peer = pretended(reading, "as")
    asked = [verb for verb in values if verb not in {"as", "with", "expect"}]
    if len(asked) != 1:
        raise reading.wrong("a test says one verb and its resource, as in get: RESOURCE")
    (verb,) = asked
    name = values.text(verb) or ""
    if name not in known.declared:
        message = f"there is no resource {shown(name)}{nearest(name, known.declared)}"
        raise reading.wrong(message, verb)
    resource = known.resources.get(name)
    if resource is None:
        return []
    if verb not in kind_of(resource.kind).verbs:
        raise reading.wrong(f"{name} cannot be used with {verb}", verb)
    given = values.get("with", {})
    assert isinstance(given, dict)
    try:
        request = Request(verb, name, resource.complete(given))
    except InvalidArgument as error:
        raise reading.wrong(error.reason, "with", error.argument) from error
    return [Expectation(peer, request, values.text("expect") == "allow", reading.place())]


def _told(verdict: Verdict) -> str:
    """Return what the rules say, for a person."""
    ids = ", ".join(verdict.rule_ids)
    if verdict.denies:
        return f"it is denied by {ids}"
    return f"it is allowed by {ids}" if ids else "no rule allows it"
