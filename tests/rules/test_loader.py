# SPDX-License-Identifier: MIT
"""Directories of rule files: what is read, replaced, masked and refused."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request, resource_of
from fdbrokerd.naming import objection
from fdbrokerd.policy import decide
from fdbrokerd.rules.builtin import private
from fdbrokerd.rules.loader import load, load_text
from fdbrokerd.rules.mistakes import Mistakes
from fdbrokerd.rules.survey import survey

from .said import mistakes

PTY = "fdbroker: 1\nresources: {pty: {kind: pty}}\n"
RULE = "fdbroker: 1\nrules: [{id: %s, allow: pty, peer: {uid: %d}}]\n"


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    """Return two directories of rising priority."""
    low, high = tmp_path / "usr", tmp_path / "etc"
    low.mkdir()
    high.mkdir()
    return low, high


def refusals(*paths: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load([str(path) for path in paths])
    return [str(one) for one in caught.value.mistakes]


def test_rules_of_one_file_are_about_resources_of_another(directories: tuple[Path, Path]) -> None:
    low, high = directories
    (high / "10-rule.yaml").write_text(RULE % ("r", 7))
    (low / "50-pty.yaml").write_text(PTY)
    ruleset = load([str(low), str(high), str(low / "missing")])
    assert set(ruleset.resources) == {"pty"}
    assert [rule.id for rule in ruleset.rules] == ["r"]
    assert ruleset.files == (str(high / "10-rule.yaml"), str(low / "50-pty.yaml"))
    assert str(ruleset.rules[0].place) == f"{high}/10-rule.yaml:2:9"


def test_nothing_is_nothing(tmp_path: Path) -> None:
    ruleset = load([str(tmp_path), str(tmp_path / "missing")])
    assert (dict(ruleset.resources), ruleset.rules, ruleset.files) == ({}, (), ())


def test_replaced_and_masked(directories: tuple[Path, Path]) -> None:
    low, high = directories
    (low / "50-pty.yaml").write_text(PTY)
    (low / "60-a.yaml").write_text("not even YAML: [")
    (low / "70-b.yaml").write_text("not even YAML: [")
    (high / "60-a.yaml").write_text(RULE % ("new", 1))
    (high / "70-b.yaml").symlink_to("/dev/null")
    (high / "80-c.yaml").symlink_to("/dev/null")
    found = survey([str(low), str(high)], Mistakes())
    assert found.files == (f"{low}/50-pty.yaml", f"{high}/60-a.yaml")
    assert found.replaced == ((f"{low}/60-a.yaml", f"{high}/60-a.yaml"),)
    assert found.masked == ((f"{low}/70-b.yaml", f"{high}/70-b.yaml"),)
    assert [rule.id for rule in load([str(low), str(high)]).rules] == ["new"]


def test_a_file_of_a_later_directory_ends_a_mask(directories: tuple[Path, Path]) -> None:
    low, high = directories
    (low / "50-pty.yaml").symlink_to("/dev/null")
    (high / "50-pty.yaml").write_text(PTY)
    assert set(load([str(low), str(high)]).resources) == {"pty"}


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "a.yml",
        "a.yaml~",
        "#a.yaml#",
        ".a.yaml.swp",
        ".a.yaml",
        "a.yaml.dpkg-dist",
        "a.yaml.rpmnew",
        ".yaml",
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PTY)
    (said,) = refusals(tmp_path)
    assert said.startswith(f"{tmp_path / name}: would be ignored")


def test_a_name_that_would_spoil_a_terminal_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J.yaml").write_text(PTY)
    (said,) = refusals(tmp_path)
    assert said.isprintable()
    assert "not printable" in said


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff.yaml", os.O_CREAT | os.O_WRONLY, 0o600))
    (said,) = refusals(tmp_path)
    assert said.encode()


def test_directories_and_dangling_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    (tmp_path / "b.yaml").symlink_to("nothing")
    assert refusals(tmp_path) == [
        f"{tmp_path}/b.yaml: leads nowhere, or was just removed",
        f"{tmp_path}/a.yaml: is not a regular file",
    ]


def test_untrusted_files_and_directories_are_refused(directories: tuple[Path, Path]) -> None:
    low, high = directories
    low.chmod(0o775)
    (high / "a.yaml").write_text(PTY)
    (high / "a.yaml").chmod(0o666)
    (high / "b.yaml").write_text("fdbroker: 2")
    said = refusals(low, high)
    assert said[0].endswith(f"chmod go-w {low}")
    assert said[1].endswith(f"chmod go-w {high}/a.yaml")
    assert said[2].startswith(f"{high}/b.yaml:1:11:")


def test_resources_and_ids_are_unique_over_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PTY)
    (tmp_path / "b.yaml").write_text(PTY)
    (tmp_path / "c.yaml").write_text(RULE % ("r", 1))
    (tmp_path / "d.yaml").write_text(RULE % ("r", 1))
    a, b, c, d = (f"{tmp_path}/{name}.yaml" for name in "abcd")
    assert refusals(tmp_path) == [
        f"{b}:2:13: the resource pty is already in {a}:2:13",
        f"{d}:2:9: the rule r is already in {c}:2:9",
    ]


def test_mistakes_of_all_files_come_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE % ("r", 65534))
    (tmp_path / "b.yaml").write_text(
        "fdbroker: 1\nresources: {pty: {kind: pty, mode: 0620}}\nx: 1\n"
    )
    (tmp_path / "c.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError) as caught:
        load([str(tmp_path)])
    places = [(Path(one.file).name, one.line) for one in caught.value.mistakes]
    assert places == [("a.yaml", 2), ("b.yaml", 2), ("b.yaml", 3), ("c.yaml", 2)]
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml:2:")


def test_files_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PTY + "#" * (256 * 1024 - len(PTY)))
    load([str(tmp_path)])
    (tmp_path / "a.yaml").write_text(PTY + "#" * (256 * 1024 - len(PTY) + 1))
    assert refusals(tmp_path) == [f"{tmp_path}/a.yaml: is longer than 262144 bytes"]


def peer(uid: int) -> Peer:
    return Peer(1, uid, uid, frozenset({uid}))


def test_private_rules() -> None:
    ruleset = private(4711)
    asked = {
        "get": ["pty", "memfd", "eventfd/a", "pipe/a/b", "socketpair", "store/a"],
        "put": ["store/a"],
        "take": ["store/a"],
        "remove": ["memfd/a", "eventfd/a", "pipe/a", "socketpair/a", "store/a"],
        "list": ["memfd", "eventfd", "pipe", "socketpair", "store"],
        "watch": ["memfd", "eventfd", "pipe", "socketpair", "store"],
    }
    for verb, names in asked.items():
        for name in names:
            request = Request(verb, name, {})
            assert decide(ruleset, peer(4711), request).allowed, request
            assert not decide(ruleset, peer(0), request).allowed
            assert not decide(ruleset, peer(4712), request).allowed
            resource = ruleset.resources[resource_of(name)]
            assert objection(resource, request, peer(4711), None) is None
    assert not decide(ruleset, peer(4711), Request("put", "memfd/a", {})).allowed
    with pytest.raises(ConfigurationError):
        private(65534)


VOCABULARY = """
fdbroker 1 resources rules tests kind pty file path access append arguments enum pattern type range
integer allow deny do get peer uid gid user root with limit held rate per hint id as expect 0-5 ''
0640 "0640" '*' ${user} create mode owner x store memfd pipe names accept seals quota items ttl max
5min share read-only put take slots/a ${uid}/** ends once end
"""
WORDS = st.sampled_from(VOCABULARY.split())
TREES = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(WORDS, inner, max_size=4).map(
            lambda table: "{" + ", ".join(f"{key}: {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=12,
)


@given(TREES, TREES, TREES)
@settings(max_examples=300, deadline=None)
def test_structures_raise_nothing_else(resource: str, rule: str, test: str) -> None:
    text = (
        f"fdbroker: 1\nresources: {{pty: {{kind: pty, arguments: {resource}}}, x: {resource}}}\n"
        f"rules: [{rule}, {{id: r, deny: pty, with: {rule}, peer: {rule}}}]\n"
        f"tests: [{test}, {{as: {test}, get: pty, with: {test}, expect: deny}}]\n"
    )
    for one in mistakes(text):
        assert one.startswith("f.yaml:")


def test_a_text_needs_no_file() -> None:
    assert load_text(PTY, "built-in").files == ("built-in",)
