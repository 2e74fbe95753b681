# SPDX-License-Identifier: MIT
"""YAML as a tree of texts with places.

The tree is built from the parser's events, not by a YAML loader, because loaders type scalars by
YAML 1.1 (`0640` becomes 416, `no` False, `10:30` 630), keep the last of two equal keys, expand
aliases without end, and recurse: the one on libyaml dies of SIGSEGV at 200,000 brackets. What makes
a file mean other than it seems to is refused: aliases, anchors, tags, merge keys, directives, a
second document, invisible characters.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing

import yaml
from msgspec import Struct

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.resource import Place
from fdbrokerd.rules.mistakes import shown

MAX_DEPTH = 32
"""Nesting: rules need 6. The tree is walked by functions that call themselves."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
_BREAKS = r"\u2028\u2029"
_BIDIRECTIONAL = r"\u202a-\u202e\u2066-\u2069"
_FORBIDDEN = re.compile(rf"[{_CONTROL}{_BREAKS}{_BIDIRECTIONAL}\ufeff]|\r(?!\n)")
"""What no file holds: control characters, marks that show a text in another order than it is read,
and line breaks that YAML counts and editors do not, which would make every line number wrong."""
_FORBIDDEN_VALUE = re.compile(rf"[\t\n\r{_CONTROL}{_BREAKS}{_BIDIRECTIONAL}\ufeff]")
"""What no scalar holds, be it by an escape (`"\\0"`) or as a block of lines."""


class Scalar(Struct, frozen=True):
    """A text. `plain` if it was written without quotes."""

    text: str
    plain: bool
    place: Place


class Mapping(Struct, frozen=True):
    """Keys and values in the order of the file; no key is there twice."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    place: Place


class Sequence(Struct, frozen=True):
    """A list."""

    items: tuple["Node", ...]
    place: Place


Node = Scalar | Mapping | Sequence


def wrong(message: str, place: Place) -> ConfigurationError:
    """Return the error for a place."""
    return ConfigurationError(message, place.file, place.line, place.column)


def parse(data: bytes, file: str) -> Node:
    """Return the tree of a file's bytes. `file` is what errors call it."""
    text = _decoded(data, file)
    try:
        with closing(_events(text)) as events:
            return _Builder(file).build(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise wrong(f"not YAML: {error.problem or error.context}", place) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Numbers in directives and escapes, where PyYAML's own scanner lets int() and chr() raise.
        raise wrong(f"not YAML: {shown(str(error))}", Place(file, 1, 1)) from error


def _events(text: str) -> Generator[yaml.Event, None, None]:
    yield from yaml.parse(text, Loader=_LOADER)


def _decoded(data: bytes, file: str) -> str:
    """Return the text, UTF-8 only: what else YAML detects nobody means."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise wrong("not UTF-8", _place_after(before, file)) from error
    if found := _FORBIDDEN.search(text):
        raise wrong(
            f"holds the character U+{ord(found[0]):04X}, which is not allowed here",
            _place_after(text[: found.start()], file),
        )
    return text


def _place_after(before: str, file: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Open:
    """A mapping or list whose end has not come yet."""

    __slots__ = ("entries", "is_mapping", "items", "key", "keys", "place")

    def __init__(self, place: Place, *, is_mapping: bool) -> None:
        self.place = place
        self.is_mapping = is_mapping
        self.items: list[Node] = []
        self.entries: list[tuple[Scalar, Node]] = []
        self.keys: dict[str, Place] = {}
        self.key: Scalar | None = None

    def add(self, node: Node) -> None:
        """Add a list's item, a mapping's key, or the value of the key that waits."""
        if not self.is_mapping:
            self.items.append(node)
        elif self.key is None:
            self.key = self._accepted(node)
        else:
            self.entries.append((self.key, node))
            self.key = None

    def _accepted(self, key: Node) -> Scalar:
        if not isinstance(key, Scalar):
            raise wrong("a key must be a word", key.place)
        if key.plain and key.text == "<<":
            raise wrong("merge keys (<<) are not allowed: write it out", key.place)
        if first := self.keys.get(key.text):
            raise wrong(f"{shown(key.text)} is there twice, first in line {first.line}", key.place)
        self.keys[key.text] = key.place
        return key

    def closed(self) -> Node:
        """Return the node."""
        if self.is_mapping:
            return Mapping(tuple(self.entries), self.place)
        return Sequence(tuple(self.items), self.place)


class _Builder:
    """Events to a tree, with a stack of its own instead of the interpreter's."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[_Open] = []
        self._root: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Node:
        """Return the root of the one document."""
        for event in events:
            self._take(event)
        if self._root is None:
            raise wrong("the file is empty", Place(self._file, 1, 1))
        return self._root

    def _take(self, event: yaml.Event) -> None:
        match event:  # the most frequent first
            case yaml.ScalarEvent():
                self._add(self._scalar(event))
            case yaml.CollectionStartEvent():
                self._refuse_decoration(event)
                if len(self._stack) == MAX_DEPTH:
                    raise wrong(f"nested deeper than {MAX_DEPTH}", self._place(event))
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                self._stack.append(_Open(self._place(event), is_mapping=is_mapping))
            case yaml.CollectionEndEvent():
                self._add(self._stack.pop().closed())
            case yaml.DocumentStartEvent():
                self._start(event)
            case yaml.AliasEvent():
                raise wrong("aliases (*) are not allowed: write it out", self._place(event))
            case _:
                pass  # the stream's ends, and a document's

    def _start(self, event: yaml.DocumentStartEvent) -> None:
        if self._root is not None:
            raise wrong("a second document: one file holds one", self._place(event))
        if event.version or event.tags:
            raise wrong("directives (%) are not allowed", self._place(event))

    def _add(self, node: Node) -> None:
        if self._stack:
            self._stack[-1].add(node)
        else:
            self._root = node

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        self._refuse_decoration(event)
        place = self._place(event)
        if found := _FORBIDDEN_VALUE.search(event.value):
            what = "a line break" if found[0] in "\r\n" else f"the character U+{ord(found[0]):04X}"
            raise wrong(f"a value may not hold {what}", place)
        return Scalar(event.value, not event.style, place)

    def _refuse_decoration(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            raise wrong("anchors (&) are not allowed: write it out", self._place(event))
        if (
            isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
            and event.tag is not None
        ):
            raise wrong("tags (!) are not allowed: types are known", self._place(event))

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return Place(self._file, mark.line + 1, mark.column + 1)
