# SPDX-License-Identifier: MIT
"""A node of a document by a table of keys: values, and the place of each for who judges them."""

import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as Mapped

from msgspec import Struct

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.key import (
    Ids,
    Key,
    KeyRefused,
    KeyType,
    Many,
    Names,
    Section,
    Table,
    Values,
)
from fdbrokerd.model.resource import Place
from fdbrokerd.rules.document import Mapping, Node, Scalar, Sequence, wrong
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.scalar import Unfit, value

FORMAT = "1"
"""The format of rule files and settings; another one would mean other things by the same words."""

Path = tuple[str | int, ...]
"""Where a value is below the node that was read: keys, and numbers of list items."""


class Reading(Struct, frozen=True):
    """The values of a mapping, and the place of each by its path; () is the mapping's own."""

    values: Values
    places: Mapped[Path, Place]

    def place(self, *path: str | int) -> Place:
        """Return the place of a value, or of what it would be in if it is not there."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def wrong(self, message: str, *path: str | int) -> ConfigurationError:
        """Return the error for a value, with its key before the message."""
        return wrong(_told(path, message), self.place(*path))

    def refused(self, refusal: KeyRefused) -> ConfigurationError:
        """Return the error for what a kind refused; `accept.0` is the first of the list accept."""
        parts = refusal.key.split(".")
        return self.wrong(str(refusal), *(int(one) if one.isdigit() else one for one in parts))


def read(node: Node, keys: Mapped[str, Key]) -> Reading:
    """Return what a mapping with these keys holds. Raises every mistake in it at once."""
    reader = _Reader()
    values = reader.section(node, keys, ())
    reader.mistakes.check()
    return Reading(values, reader.places)


def entries(
    node: Node, known: Collection[str], mistakes: Mistakes
) -> Iterator[tuple[Scalar, Node]]:
    """Yield the entries of a mapping whose keys are known; every other is a mistake."""
    for key, content in mapping(node).entries:
        if key.text in known:
            yield key, content
        else:
            mistakes.add(
                wrong(f"unknown key {shown(key.text)}{nearest(key.text, known)}", key.place)
            )


def header(node: Node) -> None:
    """Check that a file starts by saying which format it is written in."""
    found = mapping(node).entries
    if not found or found[0][0].text != "fdbroker":
        raise wrong(f"a file starts with `fdbroker: {FORMAT}`", node.place)
    version = found[0][1]
    if not isinstance(version, Scalar) or version.text != FORMAT:
        raise wrong(f"fdbroker: this version reads format {FORMAT} only", version.place)


def mapping(node: Node, path: Path = ()) -> Mapping:
    """Return a node that must be a mapping."""
    if not isinstance(node, Mapping):
        raise wrong(_told(path, "must be a mapping, `key: value`"), node.place)
    return node


def sequence(node: Node, path: Path = ()) -> Sequence:
    """Return a node that must be a list, and not an empty one."""
    if not isinstance(node, Sequence):
        raise wrong(_told(path, "must be a list"), node.place)
    if not node.items:
        raise wrong(_told(path, "is an empty list"), node.place)
    return node


class _Reader:
    """The places met and the mistakes made while one node is read."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.mistakes = Mistakes()

    def section(self, node: Node, keys: Mapped[str, Key], path: Path) -> Values:
        """Read a mapping with known keys."""
        self.places[path] = node.place
        values = Values()
        given = {key.text for key, _ in mapping(node, path).entries}
        for name, content in entries(node, keys, self.mistakes):
            with self.mistakes.kept():
                values[name.text] = self.value(content, keys[name.text].type, (*path, name.text))
        for text, key in keys.items():
            if key.required and text not in given:
                self.mistakes.add(wrong(_told(path, f"{text} is missing: {key.says}"), node.place))
        return values

    def value(self, node: Node, kind: KeyType, path: Path) -> object:
        """Read what a key has."""
        self.places[path] = node.place
        match kind:
            case Section(keys):
                return self.section(node, keys, path)
            case Table(of, name):
                return self._table(node, of, name, path)
            case Many(of):
                return self._many(node, of, path)
            case Ids() | Names():
                return self._many(node, kind, path)
            case _:
                return self._single(node, kind, path)

    def _table(self, node: Node, of: KeyType, name: str, path: Path) -> dict[str, object]:
        table: dict[str, object] = {}
        for key, content in mapping(node, path).entries:
            if not re.fullmatch(name, key.text):
                self.mistakes.add(wrong(f"{shown(key.text)} cannot be a name", key.place))
                continue
            with self.mistakes.kept():
                table[key.text] = self.value(content, of, (*path, key.text))
        if not mapping(node).entries:
            raise wrong(_told(path, "is empty"), node.place)
        return table

    def _many(self, node: Node, of: KeyType, path: Path) -> tuple[object, ...]:
        """Read one, or a list; either way the items have the places 0, 1, …."""
        items = sequence(node, path).items if isinstance(node, Sequence) else (node,)
        found = []
        for index, item in enumerate(items):
            self.places[*path, index] = item.place
            one = self._single if isinstance(of, Ids | Names) else self.value
            with self.mistakes.kept():
                found.append(one(item, of, (*path, index)))
        return tuple(found)

    def _single(self, node: Node, kind: KeyType, path: Path) -> object:
        if not isinstance(node, Scalar):
            raise wrong(_told(path, "must be a single value"), node.place)
        if not node.text:
            raise wrong(_told(path, "is empty"), node.place)
        try:
            return value(kind, node)
        except Unfit as unfit:
            raise wrong(_told(path, str(unfit)), node.place) from unfit


def _told(path: Path, message: str) -> str:
    """Return a message with the last key of the path before it."""
    keys = [part for part in path if isinstance(part, str)]
    return f"{keys[-1]}: {message}" if keys else message
