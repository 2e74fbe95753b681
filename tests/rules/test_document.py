# SPDX-License-Identifier: MIT
"""YAML to nodes: what is read, what is refused, and where."""

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules import document
from fdbrokerd.rules.document import MAX_DEPTH, Mapping, Node, Scalar, Sequence, parse


@pytest.fixture(params=[yaml.SafeLoader, getattr(yaml, "CSafeLoader", None)], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with both parsers: which one is there is not ours to say."""
    if request.param is None:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(document, "_LOADER", request.param)


def refusal(data: bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(data, "f.yaml")
    return str(caught.value)


def plain(node: Node) -> object:
    """Return the texts of a tree without their places."""
    match node:
        case Scalar(text):
            return text
        case Mapping(entries):
            return {key.text: plain(content) for key, content in entries}
        case Sequence(items):
            return [plain(item) for item in items]


def test_nothing_is_typed() -> None:
    texts = b"{a: 0640, b: no, c: 10:30, d: 3.10, e: ~, f: 2024-01-01, g: 0x10, h: 'true'}"
    assert plain(parse(texts, "f")) == {
        "a": "0640", "b": "no", "c": "10:30", "d": "3.10", "e": "~", "f": "2024-01-01", "g": "0x10",
        "h": "true",
    }  # fmt: skip


def test_places_and_quotes() -> None:
    node = parse('a:\n  - é\n  - "b"\n'.encode(), "f.yaml")
    assert isinstance(node, Mapping)
    ((_, items),) = node.entries
    assert isinstance(items, Sequence)
    first, second = items.items
    assert isinstance(first, Scalar)
    assert isinstance(second, Scalar)
    assert (str(first.place), first.plain) == ("f.yaml:2:5", True)
    assert (str(second.place), second.plain) == ("f.yaml:3:5", False)


def test_windows_line_ends() -> None:
    assert plain(parse(b"a: 1\r\nb: 2\r\n", "f")) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "f.yaml:1:1: the file is empty"),
        (b"# nothing\n", "f.yaml:1:1: the file is empty"),
        (b"a: 1\nb: *x\n", "f.yaml:2:4: aliases"),
        (b"a: &x 1\n", "f.yaml:1:4: anchors"),
        (b"a: &x [1]\n", "f.yaml:1:4: anchors"),
        (b"a: !!int 1\n", "f.yaml:1:4: tags"),
        (b"a: !!python/name:os.system x\n", "f.yaml:1:4: tags"),
        (b"a: !x {b: 1}\n", "f.yaml:1:4: tags"),
        (b"a:\n  <<: {b: 1}\n", "f.yaml:2:3: merge keys"),
        (b"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is there twice, first in line 1"),
        (b"{a: 1, \"a\": 2}\n", "f.yaml:1:8: 'a' is there twice"),
        (b"[a]: 1\n", "f.yaml:1:1: a key must be a word"),
        (b"? {a: 1}\n: 1\n", "f.yaml:1:3: a key must be a word"),
        (b"a: 1\n---\nb: 1\n", "f.yaml:2:1: a second document"),
        (b"%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: directives"),
        (b"a: @x\n", "f.yaml:1:4: not YAML"),
        (b"a: b: c\n", "f.yaml:1:5: not YAML"),
        (b"a: 1\n\tb: 1\n", "f.yaml:2:1: not YAML"),
        (b"a: 1\nb: \xff\n", "f.yaml:2:4: not UTF-8"),
        ("ab: 1".encode("utf-16"), "f.yaml:1:1: not UTF-8"),
        (b"a: 1\nb\x00: 1\n", "f.yaml:2:2: holds the character U+0000"),
        (b"a: \x1b[2J\n", "f.yaml:1:4: holds the character U+001B"),
        (b"\xef\xbb\xbfa: 1\n", "f.yaml:1:1: holds the character U+FEFF"),
        ("a: 1 # \u202e\n".encode(), "f.yaml:1:8: holds the character U+202E"),
        ("a: \u2028\n".encode(), "f.yaml:1:4: holds the character U+2028"),
        (b"a: 1\rb: 2\r", "f.yaml:1:5: holds the character U+000D"),
        (b'a: "\\0"\n', "f.yaml:1:4: a value may not hold the character U+0000"),
        (b'a: "x\\ny"\n', "f.yaml:1:4: a value may not hold a line break"),
        (b"a: |\n  x\n", "f.yaml:1:4: a value may not hold a line break"),
    ],
)  # fmt: skip
def test_refused(data: bytes, said: str) -> None:
    assert refusal(data).startswith(said)


def test_what_pyyaml_lets_through_is_not_yaml() -> None:
    assert "not YAML" in refusal(b'a: "\\U00110000"\n')
    assert "not YAML" in refusal(b"%YAML 1." + b"1" * 5000 + b"\n---\na: 1\n")


@pytest.mark.parametrize("text", ["[", "- ", "? ", "{a: ", "[a, "])
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    started = time.monotonic()
    said = refusal((text * 200_000).encode())
    assert "nested deeper than 32" in said or "a key must be a word" in said
    assert time.monotonic() - started < 5


def test_depth_is_exact() -> None:
    parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "f")
    assert refusal(b"[" * (MAX_DEPTH + 1)) == "f.yaml:1:33: nested deeper than 32"


def test_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 99))
    assert refusal(bomb.encode()).startswith("f.yaml:1:5: anchors")


def refused_at(data: bytes) -> tuple[int, int] | None:
    """Return where data was refused, None where it was read; nothing else may happen."""
    try:
        parse(data, "f")
    except ConfigurationError as error:
        return error.line, error.column
    return None


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_bytes_raise_nothing_else(data: bytes) -> None:
    assert (refused_at(data) or (1, 1)) >= (1, 1)


@given(st.text(alphabet="ab01:-?[]{},&*!|>%@#\"'\\~<=\n\t ", max_size=80))
@settings(max_examples=500, deadline=None)
def test_syntax_raises_nothing_else(text: str) -> None:
    assert (refused_at(text.encode()) or (1, 1)) >= (1, 1)
