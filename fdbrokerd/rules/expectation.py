# SPDX-License-Identifier: MIT
"""The section `tests`: requests, and what the rules must say to them.

    - {as: {user: root}, get: tls, with: {part: privkey}, expect: allow}
    - {as: {unit: web.service}, put: slots/web-1, expect: allow}

They are run at every load, so rules whose tests fail never come into force.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from fdbrokerd.accounts import user_name
from fdbrokerd.errors import InvalidArgument
from fdbrokerd.kinds import kind_of
from fdbrokerd.model.key import Key, Table, Text, Word
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Place, Request, Resource, item_of, resource_of
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.naming import is_whole, malformed, names_user, needs_item, objection
from fdbrokerd.policy import decide, may_some
from fdbrokerd.rules.document import Node, wrong
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.pretended import PRETENDED, pretended
from fdbrokerd.rules.reader import Reading, read, sequence
from fdbrokerd.rules.rule import Known


class Expectation(Struct, frozen=True):
    """One test."""

    peer: Peer
    request: Request
    allowed: bool
    place: Place

    def check(self, ruleset: Ruleset) -> None:
        """Raise a ConfigurationError if the rules say something else, with the ids of those.

        A name that the peer cannot have is denied, whatever rules allow it. May wait for the name
        service.
        """
        resource = ruleset.resources[resource_of(self.request.resource)]
        user = user_name(self.peer.uid) if names_user(resource) else None
        problem = objection(resource, self.request, self.peer, user)
        verdict = decide(ruleset, self.peer, self.request)
        some = is_whole(resource, self.request) and may_some(
            ruleset, self.peer, self.request.verb, resource.name
        )
        if ((verdict.allowed or some) and problem is None) != self.allowed:
            wanted = "allow" if self.allowed else "deny"
            told = f"{self.request.resource} {problem}" if problem else _told(verdict)
            if some and not verdict.allowed:
                told = f"it is allowed for some items of {resource.name}"
            raise wrong(f"the test expects {wanted}, but {told}", self.place)


def keys(verbs: Iterable[str]) -> Mapping[str, Key]:
    """Return the keys of a test, one for each verb among them."""
    return {
        "as": Key(PRETENDED, "who asks", required=True),
        "with": Key(Table(Text()), "the arguments of the request"),
        "expect": Key(Word(("allow", "deny")), "what the rules must say", required=True),
        **{verb: Key(Text(), f"the resource or item to {verb}") for verb in sorted(verbs)},
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
    about = resource_of(name)
    if about not in known.declared:
        message = f"there is no resource {shown(about)}{nearest(about, known.declared)}"
        raise reading.wrong(message, verb)
    resource = known.resources.get(about)
    if resource is None:
        return []
    if verb not in kind_of(resource.kind).verbs:
        raise reading.wrong(f"{about} cannot be used with {verb}", verb)
    _check_name(reading, verb, name, resource)
    given = values.get("with", {})
    assert isinstance(given, dict)
    try:
        request = Request(verb, name, resource.complete(given))
    except InvalidArgument as error:
        raise reading.wrong(error.reason, "with", error.argument) from error
    return [Expectation(peer, request, values.text("expect") == "allow", reading.place())]


def _check_name(reading: Reading, verb: str, name: str, resource: Resource) -> None:
    """Refuse what no peer could ask for at all, so that `expect: deny` of it would say nothing."""
    if "/" in name:
        if problem := malformed(resource, item_of(name)):
            raise reading.wrong(f"{shown(name)} {problem}", verb)
    elif needs_item(resource, verb):
        raise reading.wrong(f"{name} itself cannot be meant: say {name}/NAME", verb)
    if verb != "get" and "with" in reading.values:
        raise reading.wrong(f"goes with get: {verb} has no arguments", "with")


def _told(verdict: Verdict) -> str:
    """Return what the rules say, for a person."""
    ids = ", ".join(verdict.rule_ids)
    if verdict.denies:
        return f"it is denied by {ids}"
    return f"it is allowed by {ids}" if ids else "no rule allows it"
