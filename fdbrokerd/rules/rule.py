# SPDX-License-Identifier: MIT
"""The section `rules`: who may do what with which resource.

What a rule says must be possible for what it is about: a verb or an argument for each resource that
is named, and for at least one that a glob covers. So `allow: "*"` with `with: {part: fullchain}` is
about the resources that have a `part`, and no other. RESOURCE/GLOB is about items, so about
resources that hold some; RESOURCE is about itself and all of its items.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fdbrokerd.kinds import kind_of
from fdbrokerd.model.argument import ArgumentLimit
from fdbrokerd.model.coverage import Coverage
from fdbrokerd.model.item_glob import item_glob_problem, meet
from fdbrokerd.model.key import Key, Many, PerTime, Section, Table, Text, Whole, Word
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import RESOURCE_NAME, Resource, item_of, resource_of
from fdbrokerd.model.rule import Effect, Limit, Per, Rate, Rule
from fdbrokerd.naming import widest
from fdbrokerd.rules.argument_limit import argument_limits
from fdbrokerd.rules.document import Node
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.peer import MATCH, match_of
from fdbrokerd.rules.reader import Reading, read, sequence

MAX_HINT_CHARACTERS = 200
"""Two lines of a terminal."""

MAX_HELD = 10_000
"""Beyond any limit on open files that a peer would have."""

RULE_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "id": Key(Text(), "what logs and explanations call the rule", required=True),
        "allow": Key(
            Many(Text()), "the resources that it lets have, by name or glob; items as STORE/GLOB"
        ),
        "deny": Key(Many(Text()), "the resources that it keeps back, whatever allows them"),
        "do": Key(Many(Text()), "the verbs; get unless given"),
        "peer": Key(MATCH, "who it is about; of a deny, everybody unless given"),
        "with": Key(Table(Many(Text())), "the arguments that it is about"),
        "limit": Key(
            Section(
                {
                    "held": Key(Whole(1, MAX_HELD), "how many may be out at once"),
                    "rate": Key(PerTime(), "how many may be had in a time, as in 30/min"),
                    "per": Key(
                        Word(tuple(one.value for one in Per)), "who is counted; uid unless given"
                    ),
                }
            ),
            "how much of it may be had",
        ),
        "hint": Key(Text(), "what a denied peer reads"),
    }
)


class Known:
    """The resources that rules can be about; `declared` names also those that have mistakes."""

    def __init__(self, resources: Mapping[str, Resource], declared: frozenset[str]) -> None:
        self.resources = resources
        self.declared = declared
        self._meant = Coverage(declared)
        self._about = Coverage(resources)

    def means(self, entry: str) -> bool:
        """Tell whether an entry of a rule is about any that is declared."""
        return bool(self._meant.of(entry))

    def about(self, entry: str) -> list[Resource]:
        """Return the resources that an entry of a rule is about."""
        return [self.resources[name] for name in self._about.of(entry)]

    @property
    def verbs(self) -> frozenset[str]:
        """Return every verb that one of them can be used with."""
        return frozenset(
            verb for one in self.resources.values() for verb in kind_of(one.kind).verbs
        )


def rules(node: Node, known: Known, mistakes: Mistakes) -> list[Rule]:
    """Return the rules of a section, without those that are wrong."""
    found = []
    with mistakes.kept():
        for item in sequence(node).items:
            with mistakes.kept():
                found.append(_rule(read(item, RULE_KEYS), known))
    return found


def _rule(reading: Reading, known: Known) -> Rule:
    values = reading.values
    effect = _effect(reading)
    about = _about(reading, effect.value, known)
    identity = values.text("id") or ""
    mistakes = Mistakes()
    if not RESOURCE_NAME.fullmatch(identity):
        message = f"{shown(identity)} cannot be an id: letters, digits, '.', '_', '-'"
        mistakes.add(reading.wrong(message, "id"))
    peer, limit, arguments = PeerMatch(), None, dict[str, ArgumentLimit]()
    with mistakes.kept():
        peer = _peer(reading, effect)
    with mistakes.kept():
        limit = _limit(reading, effect)
    with mistakes.kept():
        arguments = argument_limits(reading, about)
    with mistakes.kept():
        _check_verbs(reading, about)
    with mistakes.kept():
        _check_with(reading)
    with mistakes.kept():
        _check_hint(reading, effect)
    mistakes.check()
    return Rule(
        id=identity,
        effect=effect,
        resources=_texts(reading, effect.value),
        verbs=frozenset(_texts(reading, "do") or ("get",)),
        peer=peer,
        arguments=MappingProxyType(arguments),
        limit=limit,
        hint=values.text("hint"),
        place=reading.place(),
    )


def _texts(reading: Reading, key: str) -> tuple[str, ...]:
    found = reading.values.get(key, ())
    assert isinstance(found, tuple)
    return found


def _effect(reading: Reading) -> Effect:
    given = [effect for effect in Effect if effect.value in reading.values]
    if len(given) != 1:
        raise reading.wrong("a rule says one of allow and deny")
    return given[0]


def _about(reading: Reading, key: str, known: Known) -> dict[str, list[Resource]]:
    """Return the resources that each name or glob covers; each must cover one that is declared."""
    about = {}
    mistakes = Mistakes()
    for index, entry in enumerate(_texts(reading, key)):
        if not known.means(entry):
            name = resource_of(entry)
            message = f"there is no resource {shown(name)}{nearest(name, known.declared)}"
            mistakes.add(reading.wrong(message, key, index))
        about[entry] = known.about(entry)
        if "/" in entry and about[entry]:
            with mistakes.kept():
                about[entry] = _holders(reading, about[entry], entry, key, index)
    mistakes.check()
    return about


def _holders(
    reading: Reading, resources: list[Resource], entry: str, key: str, index: int
) -> list[Resource]:
    """Return those of an entry's resources that hold items; of one at least it can be a name."""
    glob = item_of(entry)
    if problem := item_glob_problem(glob):
        raise reading.wrong(f"{shown(glob)} {problem}", key, index)
    holders = [one for one in resources if one.holding is not None]
    if not holders:
        raise reading.wrong(f"{resource_of(entry)} has no items", key, index)
    for one in holders:
        assert one.holding is not None
        names = one.holding.names
        if names is None or meet(glob, widest(names)):
            return holders
    message = f"{shown(glob)} can be no item of {resource_of(entry)}: its `names` are others"
    raise reading.wrong(message, key, index)


def _peer(reading: Reading, effect: Effect) -> PeerMatch:
    match = match_of(reading, "peer")
    if match is None and effect is Effect.ALLOW:
        raise reading.wrong("peer is missing: an allow says who")
    return match or PeerMatch()


def _limit(reading: Reading, effect: Effect) -> Limit | None:
    section = reading.values.section("limit")
    if section is None:
        return None
    if effect is Effect.DENY:
        raise reading.wrong("goes with allow: a deny gives nothing", "limit")
    rate = section.get("rate")
    assert rate is None or isinstance(rate, Rate)
    if rate is None and "held" not in section:
        raise reading.wrong("says neither held nor rate", "limit")
    per = Per(section.text("per") or Per.UID.value)
    match = reading.values.section("peer")
    if per is Per.UNIT and (match is None or "unit" not in match):
        raise reading.wrong("needs a peer with a unit, so say `unit` in peer", "limit", "per")
    return Limit(section.number("held"), rate, per)


def _check_verbs(reading: Reading, about: Mapping[str, list[Resource]]) -> None:
    mistakes = Mistakes()
    for index, verb in enumerate(_texts(reading, "do") or ("get",)):
        for entry, resources in about.items():
            has = {one for resource in resources for one in kind_of(resource.kind).verbs}
            if has and verb not in has:
                message = f"{entry} cannot be used with {shown(verb)}, only with "
                message += ", ".join(sorted(has))
                mistakes.add(reading.wrong(message, "do", index))
    mistakes.check()


def _check_with(reading: Reading) -> None:
    """Refuse limits on arguments where there are none: such a deny would be a hole."""
    if "with" not in reading.values:
        return
    for index, verb in enumerate(_texts(reading, "do")):
        if verb != "get":
            message = f"{shown(verb)} has no arguments: write a rule without `with` for it"
            raise reading.wrong(message, "do", index)


def _check_hint(reading: Reading, effect: Effect) -> None:
    hint = reading.values.text("hint")
    if hint is None:
        return
    if effect is Effect.ALLOW:
        raise reading.wrong("goes with deny: it is read by those who are denied", "hint")
    if len(hint) > MAX_HINT_CHARACTERS:
        raise reading.wrong(f"is longer than {MAX_HINT_CHARACTERS} characters", "hint")
    if not hint.isprintable():
        raise reading.wrong("holds a character that is not printable", "hint")
