# SPDX-License-Identifier: MIT
"""docs/threats.md names tests that exist, and answers every row."""

import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "threats.md"

ROWS = {
    "A": 9, "B": 21, "C": 22, "D": 18, "E": 28, "F": 14, "G": 12, "H": 12, "S": 7, "K": 4,
}  # fmt: skip
"""How many each section has at least; one that is missing here is not looked for."""

_TEST = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield the id, the defence and the test of each row."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[A-Z][0-9]+", cells[0]):
            assert len(cells) == 4, line
            yield cells[0], cells[2], cells[3]


def test_every_row_is_there_once() -> None:
    ids = [one for one, _, _ in rows()]
    assert len(ids) == len(set(ids))
    for letter, count in ROWS.items():
        assert {f"{letter}{number}" for number in range(1, count + 1)} <= set(ids)


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{row}: {file}::{name}"
        for row, _, tests in rows()
        for file, name in _TEST.findall(tests)
        if not (TESTS / file).exists() or f"def {name}(" not in (TESTS / file).read_text()
    ]
    assert not missing, "\n".join(missing)


def test_every_row_has_a_test_or_a_reason() -> None:
    bare = [
        row
        for row, defence, tests in rows()
        if not _TEST.search(tests) and "accepted, because " not in f"{defence} {tests}"
    ]
    assert not bare


def test_every_file_that_defends_exists() -> None:
    missing = [
        f"{row}: {path}"
        for row, defence, _ in rows()
        for path in re.findall(r"`([a-z_/]+(?:\.py|/))`", defence)
        if not (TESTS.parent / "fdbrokerd" / path).exists() and not (TESTS.parent / path).exists()
    ]
    assert not missing, "\n".join(missing)
