# SPDX-License-Identifier: MIT
"""Files to a ruleset, or every mistake in them at once: nothing is loaded by halves."""

from collections.abc import Iterable, Mapping

from fdbrokerd import trusted_path
from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.resource import Place, Resource
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.settings import DIRECTORIES
from fdbrokerd.rules.document import Mapping as MappingNode
from fdbrokerd.rules.document import Node, parse, wrong
from fdbrokerd.rules.expectation import expectations
from fdbrokerd.rules.mistakes import Mistakes
from fdbrokerd.rules.reader import entries, header
from fdbrokerd.rules.resource import resources
from fdbrokerd.rules.rule import Known, rules
from fdbrokerd.rules.survey import Survey, survey
from fdbrokerd.rules.swallowed import check_swallowed

_SECTIONS = ("fdbroker", "resources", "rules", "tests")


def load(directories: Iterable[str] = DIRECTORIES) -> Ruleset:
    """Return what the files of the directories say.

    Raises a ConfigurationError with every mistake of every file (`mistakes`). May wait for the name
    service and for a file system.
    """
    mistakes = Mistakes()
    return load_files(survey(directories, mistakes), mistakes)


def load_files(found: Survey, mistakes: Mistakes) -> Ruleset:
    """Return what the files of a survey say, given the mistakes that it found."""
    documents = {}
    for path in found.files:
        with mistakes.kept():
            documents[path] = parse(_read(path), path)
    return _ruleset(documents, found.files, mistakes)


def load_text(text: str, name: str) -> Ruleset:
    """Return what a text says; `name` stands for the file in errors."""
    return _ruleset({name: parse(text.encode(), name)}, (name,), Mistakes())


def _read(path: str) -> bytes:
    try:
        return trusted_path.read(path)
    except FileNotFoundError as error:
        raise ConfigurationError("there is no such file", path) from error


def _ruleset(documents: Mapping[str, Node], files: tuple[str, ...], mistakes: Mistakes) -> Ruleset:
    """Compile the documents of files, given the mistakes that were made on the way to them."""
    sections = [_sections(node, mistakes) for node in documents.values()]
    known = _known([one["resources"] for one in sections if "resources" in one], mistakes)
    made = [
        rule for one in sections if "rules" in one for rule in rules(one["rules"], known, mistakes)
    ]
    _check_unique(((rule.id, rule.place) for rule in made), "rule", mistakes)
    check_swallowed(made, known.resources, mistakes)
    tests = [
        test
        for one in sections
        if "tests" in one
        for test in expectations(one["tests"], known, mistakes)
    ]
    mistakes.check(files)
    ruleset = Ruleset.of(known.resources.values(), made, files)
    for test in tests:
        with mistakes.kept():
            test.check(ruleset)
    mistakes.check(files)
    return ruleset


def _sections(node: Node, mistakes: Mistakes) -> dict[str, Node]:
    """Return the sections of a file by name; none of a file in another format."""
    sections = {}
    with mistakes.kept():
        header(node)
        for key, content in entries(node, _SECTIONS, mistakes):
            sections[key.text] = content
    return sections


def _known(sections: Iterable[Node], mistakes: Mistakes) -> Known:
    """Return the resources of all files; rules of one file may be about those of another."""
    found: list[Resource] = []
    declared: list[tuple[str, Place]] = []
    for section in sections:
        found += resources(section, mistakes)
        if isinstance(section, MappingNode):
            declared += [(name.text, name.place) for name, _ in section.entries]
    _check_unique(declared, "resource", mistakes)
    return Known({one.name: one for one in found}, frozenset(name for name, _ in declared))


def _check_unique(named: Iterable[tuple[str, Place]], what: str, mistakes: Mistakes) -> None:
    first: dict[str, Place] = {}
    for name, place in named:
        if name in first:
            mistakes.add(wrong(f"the {what} {name} is already in {first[name]}", place))
        else:
            first[name] = place
