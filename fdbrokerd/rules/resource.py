# SPDX-License-Identifier: MIT
"""The section `resources`: names, their kinds, and what a peer may choose.

    arguments: {NAME: {enum: [A, B] | pattern: "[a-z]+" | type: integer | type: name, default: A}}

`type: integer` takes `range: 1-65535`; `type: name` is any text that an argument can be. One of the
kind's own may be declared again to allow less: words that the kind allows, or a part of its range.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fdbrokerd.kinds import Kind, find, kinds
from fdbrokerd.kinds.template import PEER_WORDS
from fdbrokerd.model.argument import Argument, ArgumentType, Choice, Integer, Pattern
from fdbrokerd.model.key import Key, KeyRefused, Many, Section, Span, Table, Text, Values, Word
from fdbrokerd.model.resource import RESOURCE_NAME, Resource
from fdbrokerd.rules.document import Node, Scalar, wrong
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.pattern import compiled
from fdbrokerd.rules.reader import Reading, mapping, read

ARGUMENT_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "enum": Key(Many(Text()), "the words that it may be"),
        "pattern": Key(Text(), "a regular expression that all of it must match"),
        "type": Key(Word(("integer", "name")), "a decimal number, or any single name"),
        "range": Key(Span(), "the numbers that an integer may be, A-B"),
        "default": Key(Text(), "what it is when a peer does not say"),
    }
)
RESOURCE_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "kind": Key(Text(), "what sort of thing it is", required=True),
        "arguments": Key(
            Table(Section(ARGUMENT_KEYS), name=r"[A-Za-z][A-Za-z0-9_-]{0,31}"),
            "what a peer may choose",
        ),
    }
)

_ANY_INTEGER = Integer(0, 2**32 - 1)
_ANY_NAME = Pattern(compiled(".*"))


def resources(node: Node, mistakes: Mistakes) -> list[Resource]:
    """Return the resources of a section, without those that are wrong."""
    found = []
    with mistakes.kept():
        for name, content in mapping(node).entries:
            with mistakes.kept():
                found.append(_resource(name, content))
    return found


def _resource(name: Scalar, node: Node) -> Resource:
    if not RESOURCE_NAME.fullmatch(name.text):
        message = f"{shown(name.text)} cannot be a resource's name: letters, digits, '.', '_', '-'"
        raise wrong(message, name.place)
    kind = _kind(node)
    reading = read(node, {**RESOURCE_KEYS, **kind.keys})
    arguments = _arguments(reading, kind)
    try:
        spec = kind.spec(reading.values, frozenset(arguments))
    except KeyRefused as refusal:
        raise reading.refused(refusal) from refusal
    return Resource(
        name.text,
        kind.name,
        MappingProxyType(arguments),
        spec,
        name.place,
        kind.holding(spec),
    )


def _kind(node: Node) -> Kind:
    """Return the kind, on which depends which other keys there are."""
    for key, content in mapping(node).entries:
        if key.text != "kind":
            continue
        name = content.text if isinstance(content, Scalar) else ""
        kind = find(name)
        if kind is None:
            known = ", ".join(sorted(kinds()))
            message = f"kind: {shown(name)} is not one of {known}{nearest(name, kinds())}"
            raise wrong(message, content.place)
        return kind
    raise wrong(f"kind is missing: one of {', '.join(sorted(kinds()))}", node.place)


def _arguments(reading: Reading, kind: Kind) -> dict[str, Argument]:
    """Return the kind's own arguments and those that the resource declares."""
    arguments = dict(kind.arguments)
    declared = reading.values.get("arguments", {})
    assert isinstance(declared, dict)
    mistakes = Mistakes()
    for name in declared:
        with mistakes.kept():
            if name in PEER_WORDS:
                raise reading.wrong(f"${{{name}}} is the peer's own", "arguments", name)
            arguments[name] = _Declaration(reading, name).argument(kind.arguments.get(name))
    mistakes.check()
    return arguments


class _Declaration:
    """One argument as a resource declares it."""

    def __init__(self, reading: Reading, name: str) -> None:
        section = reading.values["arguments"]
        assert isinstance(section, dict)
        self._reading = reading
        self._path = ("arguments", name)
        self._values: Values = section[name]

    def argument(self, own: Argument | None) -> Argument:
        """Return the argument; `own` is the kind's argument of this name."""
        kind = self._type()
        if own is not None and not _narrows(kind, own.type):
            raise self._reading.wrong(
                "the kind has this argument: declare words or a range that it allows", *self._path
            )
        default = self._values.text("default")
        if default is None and own is not None:
            default = own.default
        argument = Argument(kind, default)
        if default is not None and (problem := argument.problem(default)):
            raise self._reading.wrong(f"{shown(default)} {problem}", *self._path, "default")
        return argument

    def _type(self) -> ArgumentType:
        given = [key for key in ("enum", "pattern", "type") if key in self._values]
        if len(given) != 1:
            raise self._reading.wrong("says one of enum, pattern and type", *self._path)
        if "range" in self._values and self._values.text("type") != "integer":
            raise self._reading.wrong("goes with type: integer", *self._path, "range")
        if given == ["enum"]:
            return self._choice()
        if given == ["pattern"]:
            try:
                return Pattern(compiled(self._values.text("pattern") or ""))
            except ValueError as error:
                raise self._reading.wrong(str(error), *self._path, "pattern") from error
        return self._integer() if self._values.text("type") == "integer" else _ANY_NAME

    def _choice(self) -> Choice:
        words = self._values["enum"]
        assert isinstance(words, tuple)
        for index, word in enumerate(words):
            problem = Argument(Choice(words)).problem(word)
            if word in words[:index]:
                problem = "is there twice"
            if problem:
                path = (*self._path, "enum", index)
                raise self._reading.wrong(f"{shown(word)} {problem}", *path)
        return Choice(words)

    def _integer(self) -> Integer:
        span = self._values.get("range")
        if span is None:
            return _ANY_INTEGER
        assert isinstance(span, tuple)
        return Integer(*span)


def _narrows(kind: ArgumentType, own: ArgumentType) -> bool:
    """Tell whether one type allows only what the other does; False where it is not plain."""
    if isinstance(kind, Choice):
        return all(own.problem(word) is None for word in kind.words)
    if isinstance(kind, Integer) and isinstance(own, Integer):
        return own.low <= kind.low and kind.high <= own.high
    return False
