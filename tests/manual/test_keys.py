# SPDX-License-Identifier: MIT
"""fdbrokerd.yaml(5) has every key of the files, each in its section, and no other.

The keys are taken from the tables that read them, by way of the schema that is made of these.
"""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from fdbrokerd.kinds import kinds
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.reader import FORMAT
from fdbrokerd.rules.schema import rules_schema, settings_schema

from .page import Page

PAGE = Page("fdbrokerd.yaml.5")
RULES: Mapping[str, Any] = rules_schema()
SETTINGS: Mapping[str, Any] = settings_schema()
(RESOURCE,) = RULES["properties"]["resources"]["patternProperties"].values()
KINDS: Mapping[str, Any] = {
    branch["if"]["properties"]["kind"]["const"]: branch["then"]["properties"]
    for branch in RESOURCE["allOf"]
}
EVERY_KIND = {"kind", "arguments"}


def sections_in(schema: object) -> set[str]:
    """Return the names of the definitions that a part of a schema leads to at once."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            return {str(schema["$ref"]).rpartition("/")[2]}
        return {name for value in schema.values() for name in sections_in(value)}
    if isinstance(schema, list):
        return {name for value in schema for name in sections_in(value)}
    return set()


def keys_below(document: Mapping[str, Any], key: Mapping[str, Any]) -> set[str]:
    """Return the keys of the section that a key has; none for a match, which PEERS is about."""
    keys: set[str] = set()
    for name in sections_in(key):
        found = set(document["$defs"][name]["properties"])
        keys |= set() if {"any", "not"} <= found else found
    return keys


def assert_section(
    document: Mapping[str, Any],
    properties: Mapping[str, Any],
    section: str,
    subsection: str | None = None,
) -> None:
    """Compare the keys of a section and those below each of them."""
    assert sorted(PAGE.names(section, subsection)) == sorted(properties)
    for name, key in properties.items():
        below = set(PAGE.below(section, name))
        assert below == keys_below(document, key), name


def test_settings() -> None:
    assert_section(SETTINGS, SETTINGS["properties"], "SETTINGS")


def test_rule_files() -> None:
    assert sorted(PAGE.names("RULE FILES")) == sorted(RULES["properties"])


def test_rules() -> None:
    assert_section(RULES, RULES["properties"]["rules"]["items"]["properties"], "RULES")


def test_tests() -> None:
    assert_section(RULES, RULES["properties"]["tests"]["items"]["properties"], "TESTS")


def test_peers() -> None:
    assert sorted(PAGE.names("PEERS")) == sorted(RULES["$defs"]["peer"]["properties"])


def test_kinds() -> None:
    titles = {term.subsection for term in PAGE.terms if term.section == "RESOURCES"}
    assert titles == {"", *kinds()}
    assert set(PAGE.names("RESOURCES", "")) == EVERY_KIND


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_keys_of_a_kind(kind: str) -> None:
    assert sorted(PAGE.names("RESOURCES", kind)) == sorted(set(KINDS[kind]) - EVERY_KIND)


def test_keys_within_keys_of_resources() -> None:
    real: dict[str, set[str]] = {}
    for properties in KINDS.values():
        for name, key in properties.items():
            real.setdefault(name, set()).update(keys_below(RULES, key))
    for name, keys in real.items():
        assert set(PAGE.below("RESOURCES", name)) == keys, name


def words_in(schema: object) -> set[str]:
    """Return the words that the keys of a schema may have."""
    if isinstance(schema, Mapping):
        said = schema.get("enum")  # which is also the name of a key
        own = {word for word in said if isinstance(word, str)} if isinstance(said, list) else set()
        return own.union(*map(words_in, schema.values()))
    if isinstance(schema, list):
        return set().union(*(words_in(value) for value in schema))
    return set()


def test_every_word_that_a_key_may_have() -> None:
    words = words_in(RULES) | words_in(SETTINGS)
    assert "snapshot" in words
    missing = {word for word in words if not re.search(rf"\*{re.escape(word)}\*", PAGE.text)}
    assert missing <= {FORMAT, *kinds()}


def test_the_examples_load() -> None:
    examples = re.findall(r"^```\n(.*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
    assert examples
    for text in examples:
        assert load_text(text, PAGE.path.name).rules
