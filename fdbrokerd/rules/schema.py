# SPDX-License-Identifier: MIT
"""The key tables as JSON Schema (2020-12), so that editors complete and check what they can.

A schema sees less than the loader, and sees it after an editor's own YAML: `0640` has become a
number there, `no` perhaps false. So it is lax wherever the loader takes a text as it is written:
it never refuses what `check` accepts. It cannot know users, resources, or what a rule is about.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from fdbrokerd.accounts import MAX_ID
from fdbrokerd.kinds import kinds
from fdbrokerd.model.key import (
    Duration,
    Flag,
    Ids,
    Key,
    KeyType,
    Many,
    Mode,
    Names,
    PerTime,
    Section,
    Size,
    Span,
    Table,
    Whole,
    Word,
)
from fdbrokerd.model.resource import RESOURCE_NAME
from fdbrokerd.rules import expectation
from fdbrokerd.rules.reader import FORMAT
from fdbrokerd.rules.resource import RESOURCE_KEYS
from fdbrokerd.rules.rule import RULE_KEYS
from fdbrokerd.rules.scalar import DURATION, RANGE, RATE, SIZE
from fdbrokerd.rules.settings import SETTINGS_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, object]

_SCALAR: Mapping[str, object] = MappingProxyType(
    {"type": ["string", "number", "boolean", "null"], "minLength": 1}
)
"""Any single value: what is a text here may be anything to an editor's YAML."""

_SURELY_TEXT = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z-]*", re.IGNORECASE)
"""A word that no version of YAML takes for a boolean, a number or nothing."""

_FORMAT: Mapping[str, object] = MappingProxyType(
    {"enum": [int(FORMAT), FORMAT], "description": "the format of this file; it comes first"}
)


def rules_schema() -> Schema:
    """Return the schema of a rule file."""
    types = _Types()
    rule = types.section(RULE_KEYS) | {
        "oneOf": [{"required": ["allow"]}, {"required": ["deny"]}],
        "dependentRequired": {"allow": ["peer"], "limit": ["allow"], "hint": ["deny"]},
    }
    verbs = {"get"}.union(*(kind.verbs for kind in kinds().values()))
    sections: Schema = {
        "fdbroker": dict(_FORMAT),
        "resources": {
            "type": "object",
            "patternProperties": {_whole(RESOURCE_NAME.pattern): _resource(types)},
            "additionalProperties": False,
            "description": "what there is",
        },
        "rules": _list(rule) | {"description": "who may do what with which resource"},
        "tests": _list(types.section(expectation.keys(verbs)))
        | {"description": "what must come out, run at every check and reload"},
    }
    return _document("rule file", sections, types)


def settings_schema() -> Schema:
    """Return the schema of the settings."""
    types = _Types()
    section = types.section(SETTINGS_KEYS)
    properties = section["properties"]
    assert isinstance(properties, dict)
    return _document("settings", properties | {"fdbroker": dict(_FORMAT)}, types)


def _document(what: str, properties: Schema, types: "_Types") -> Schema:
    return {
        "$schema": DIALECT,
        "title": f"fdbrokerd: {what}",
        "type": "object",
        "properties": properties,
        "required": ["fdbroker"],
        "additionalProperties": False,
        "$defs": types.definitions,
    }


def _resource(types: "_Types") -> Schema:
    """Return the schema of a resource: which keys there are depends on its kind."""
    known = kinds()
    kind = types.of(Word(tuple(sorted(known))), "kind")
    return {
        "type": "object",
        "properties": {"kind": kind | {"description": RESOURCE_KEYS["kind"].says}},
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": types.section({**RESOURCE_KEYS, **one.keys}),
            }
            for name, one in sorted(known.items())
        ],
    }


class _Types:
    """Types as schemas. A section is written once, since one can hold itself (`any`, `not`)."""

    def __init__(self) -> None:
        self.definitions: Schema = {}
        self._met: list[tuple[Mapping[str, Key], str]] = []

    def section(self, keys: Mapping[str, Key]) -> Schema:
        """Return the schema of a mapping with known keys."""
        return {
            "type": "object",
            "properties": {
                name: self.of(key.type, name) | {"description": key.says}
                for name, key in keys.items()
            },
            "required": [name for name, key in keys.items() if key.required],
            "additionalProperties": False,
        }

    def of(self, kind: KeyType, name: str) -> Schema:
        """Return the schema of what a key of this name has."""
        match kind:
            case Section(keys):
                return {"$ref": f"#/$defs/{self._defined(keys, name)}"}
            case Table(of, names):
                return {
                    "type": "object",
                    "patternProperties": {_whole(names): self.of(of, name)},
                    "additionalProperties": False,
                    "minProperties": 1,
                }
            case Many(of):
                return _one_or_more(self.of(of, name))
            case Ids():
                return _one_or_more(_number_or(0, MAX_ID, RANGE.pattern))
            case Names():
                return _one_or_more(dict(_SCALAR))
            case _:
                return _single(kind)

    def _defined(self, keys: Mapping[str, Key], name: str) -> str:
        """Return the name of a section's definition, which is made when it is first met."""
        for met, known_as in self._met:
            if met is keys:
                return known_as
        unique = name
        while unique in self.definitions:
            unique += "-"
        self._met.append((keys, unique))
        self.definitions[unique] = {}  # taken, for the sections inside this one
        self.definitions[unique] = self.section(keys)
        return unique


def _single(kind: KeyType) -> Schema:
    """Return the schema of a single value."""
    match kind:
        case Word(words) if all(map(_SURELY_TEXT.fullmatch, words)):
            schema: Schema = {"enum": list(words)}
        case Whole(low, high):
            schema = {"type": "integer", "minimum": low, "maximum": high}
        case Flag():
            schema = {"type": "boolean"}
        case Mode():
            schema = {"type": "string", "pattern": "^0[0-7]{3}$"}
        case Size(high):
            schema = _number_or(1, high, SIZE.pattern)
        case Duration():
            schema = {"type": "string", "pattern": _whole(DURATION.pattern)}
        case Span():
            schema = _number_or(0, None, RANGE.pattern)
        case PerTime():
            schema = {"type": "string", "pattern": _whole(RATE.pattern)}
        case _:
            schema = dict(_SCALAR)
    return schema


def _number_or(low: int, high: int | None, pattern: str) -> Schema:
    """Return the schema of a number, or of a text that may also hold one."""
    number: Schema = {"type": "integer", "minimum": low}
    if high is not None:
        number["maximum"] = high
    return {"anyOf": [number, {"type": "string", "pattern": _whole(pattern)}]}


def _one_or_more(one: Schema) -> Schema:
    return {"anyOf": [one, _list(one)]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "minItems": 1}


def _whole(pattern: str) -> str:
    """Return a pattern that all of a text must match; a schema's may match anywhere."""
    return f"^(?:{pattern})$"
