# SPDX-License-Identifier: MIT
"""Who may do something: the reverse of the question that a request asks, from the rules alone.

No peer is looked at, so the answer is about rules: who is in a group, or which process is in a
unit, only the system knows when somebody asks. Pure, as the decision is.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from fdbrokerd.description import (
    EVERYBODY,
    described,
    described_arguments,
    described_items,
    described_limit,
)
from fdbrokerd.model.resource import Place, Resource, resource_of
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.naming import depends_on_peer, impossible, needs_item, written


class Entry(Struct, frozen=True):
    """One rule that can concern the request, in words.

    `arguments` says what the arguments that were left open must be, empty where they may be
    anything; `limit` and `hint` are empty where the rule has none. `items`: which ones, where a
    resource was asked about and not one of its items; empty for all of it. `names`: the glob that
    an item's name must match when the peer's own words are put into it, empty where no peer is told
    from another by that.
    """

    effect: Effect
    rule: str
    who: str
    arguments: str
    limit: str
    hint: str
    place: Place
    items: str = ""
    names: str = ""

    @property
    def for_all(self) -> bool:
        """Tell whether it holds for everybody, whatever was left open."""
        return self.who == EVERYBODY and not self.arguments and not self.items


def who_can(
    ruleset: Ruleset, verb: str, resource: str, arguments: Mapping[str, str]
) -> tuple[Entry, ...]:
    """Return the allows and denies that can hold for the request, in the order of the files.

    Arguments that are not given are open, also those that have a default; so is the item where only
    a resource is named. Of an unknown resource and of a name that nobody can have there is no rule.
    Raises InvalidArgument for an argument that no request could have.
    """
    about = ruleset.resources.get(resource_of(resource))
    if about is None or _impossible(about, verb, resource):
        return ()
    about.complete(arguments)  # only for what it refuses
    rules = sorted(
        ruleset.about[about.name].everything, key=lambda rule: (rule.place.file, rule.place.line)
    )
    return tuple(
        _entry(rule, about, resource, arguments)
        for rule in rules
        if _is_about(rule, about, resource) and _can_hold(rule, verb, about, arguments)
    )


def who_can_text(ruleset: Ruleset, verb: str, resource: str, arguments: Mapping[str, str]) -> str:
    """Return who can, in lines: who is allowed, then who is not all the same."""
    entries = who_can(ruleset, verb, resource, arguments)
    given = "".join(f" {name}={value}" for name, value in arguments.items())
    lines = [f"{verb} {resource}{given}"]
    about = ruleset.resources.get(resource_of(resource))
    if about is None:
        lines.append("  there is no such resource")
    elif problem := _impossible(about, verb, resource):
        return "\n".join([*lines, f"  nobody: it {problem}"])
    lines += _told(entries)
    return "\n".join(lines)


def _impossible(about: Resource, verb: str, name: str) -> str | None:
    """Return why nobody can ask this; of a resource whose items are meant, the item is open."""
    is_open = "/" not in name and about.holding is not None and needs_item(about, verb)
    return None if is_open else impossible(about, verb, name)


def _is_about(rule: Rule, about: Resource, name: str) -> bool:
    """Tell whether a rule is about the name, or about some items where none is named."""
    if "/" in name:
        return rule.covers(name)
    return rule.covers(name) or (about.holding is not None and rule.concerns(name))


def _can_hold(rule: Rule, verb: str, about: Resource, arguments: Mapping[str, str]) -> bool:
    """Tell whether a rule can hold for some peer and some values of what was left open."""
    return verb in rule.verbs and all(
        limit.holds(arguments[name]) if name in arguments else name in about.arguments
        for name, limit in rule.arguments.items()
    )


def _entry(rule: Rule, about: Resource, name: str, arguments: Mapping[str, str]) -> Entry:
    still_open = {name: one for name, one in rule.arguments.items() if name not in arguments}
    return Entry(
        effect=rule.effect,
        rule=rule.id,
        who=described(rule.peer),
        arguments=described_arguments(still_open),
        limit="" if rule.limit is None else described_limit(rule.limit),
        hint=rule.hint or "",
        place=rule.place,
        items="" if "/" in name else described_items(rule, name),
        names=_names(rule, about),
    )


def _names(rule: Rule, about: Resource) -> str:
    """Return the names that an allow lets nobody have but whose they are."""
    if rule.effect is Effect.DENY or about.holding is None or about.holding.names is None:
        return ""
    return written(about.holding.names) if depends_on_peer(about) else ""


def _told(entries: tuple[Entry, ...]) -> Iterator[str]:
    allows = [entry for entry in entries if entry.effect is Effect.ALLOW]
    denies = [entry for entry in entries if entry.effect is Effect.DENY]
    if not allows:
        yield "  nobody: no rule allows it"
    elif shut := [entry for entry in denies if entry.for_all]:
        yield f"  nobody: {', '.join(entry.rule for entry in shut)} denies it to everybody"
    for entry in allows:
        yield f"  allowed: {_line(entry)}"
    for entry in denies:
        yield f"  except: {_line(entry)}"


def _line(entry: Entry) -> str:
    """Return `who, items GLOB, names GLOB, with arguments, limit (rule, place): hint`."""
    items = f", items {entry.items}" if entry.items else ""
    names = f", names {entry.names}" if entry.names else ""
    arguments = f", with {entry.arguments}" if entry.arguments else ""
    limit = f", at most {entry.limit}" if entry.limit else ""
    hint = f": {entry.hint}" if entry.hint else ""
    return f"{entry.who}{items}{names}{arguments}{limit} ({entry.rule}, {entry.place}){hint}"
