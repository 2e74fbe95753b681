# SPDX-License-Identifier: MIT
"""Who may do something: the reverse of the question that a request asks, from the rules alone.

No peer is looked at, so the answer is about rules: who is in a group, or which process is in a
unit, only the system knows when somebody asks. Pure, as the decision is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fdbrokerd.description import EVERYBODY, described, described_arguments, described_limit
from fdbrokerd.model.resource import Place, Resource
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule that can concern the request, in words.

    `arguments` says what the arguments that were left open must be, empty where they may be
    anything; `limit` and `hint` are empty where the rule has none.
    """

    effect: Effect
    rule: str
    who: str
    arguments: str
    limit: str
    hint: str
    place: Place

    @property
    def for_all(self) -> bool:
        """Tell whether it holds for everybody, whatever was left open."""
        return self.who == EVERYBODY and not self.arguments


def who_can(
    ruleset: Ruleset, verb: str, resource: str, arguments: Mapping[str, str]
) -> tuple[Entry, ...]:
    """Return the allows and denies that can hold for the request, in the order of the files.

    Arguments that are not given are open, also those that have a default. Of an unknown resource
    there is no rule. Raises InvalidArgument for an argument that no request could have.
    """
    about = ruleset.resources.get(resource)
    if about is None:
        return ()
    about.complete(arguments)  # only for what it refuses
    rules = sorted(
        ruleset.about[resource].everything, key=lambda rule: (rule.place.file, rule.place.line)
    )
    return tuple(
        _entry(rule, arguments) for rule in rules if _can_hold(rule, verb, about, arguments)
    )


def who_can_text(ruleset: Ruleset, verb: str, resource: str, arguments: Mapping[str, str]) -> str:
    """Return who can, in lines: who is allowed, then who is not all the same."""
    entries = who_can(ruleset, verb, resource, arguments)
    given = "".join(f" {name}={value}" for name, value in arguments.items())
    lines = [f"{verb} {resource}{given}"]
    if resource not in ruleset.resources:
        lines.append("  there is no such resource")
    lines += _told(entries)
    return "\n".join(lines)


def _can_hold(rule: Rule, verb: str, about: Resource, arguments: Mapping[str, str]) -> bool:
    """Tell whether a rule can hold for some peer and some values of what was left open."""
    return verb in rule.verbs and all(
        limit.holds(arguments[name]) if name in arguments else name in about.arguments
        for name, limit in rule.arguments.items()
    )


def _entry(rule: Rule, arguments: Mapping[str, str]) -> Entry:
    still_open = {name: one for name, one in rule.arguments.items() if name not in arguments}
    return Entry(
        effect=rule.effect,
        rule=rule.id,
        who=described(rule.peer),
        arguments=described_arguments(still_open),
        limit="" if rule.limit is None else described_limit(rule.limit),
        hint=rule.hint or "",
        place=rule.place,
    )


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
    """Return `who, with arguments, limit (rule, place): hint`."""
    arguments = f", with {entry.arguments}" if entry.arguments else ""
    limit = f", at most {entry.limit}" if entry.limit else ""
    hint = f": {entry.hint}" if entry.hint else ""
    return f"{entry.who}{arguments}{limit} ({entry.rule}, {entry.place}){hint}"
