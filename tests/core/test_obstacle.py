# SPDX-License-Identifier: MIT
"""What is said beforehand of resources that this process cannot open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fdbrokerd.rules import loader
from fdbrokerd.rules.possible import impossible
from tests.needs import need_root

from .made import USER
from .processes import become, in_child

if TYPE_CHECKING:
    from pathlib import Path

RULES = """fdbroker: 1
resources:
  pty: {{kind: pty}}
  mine: {{kind: pty, owner: {user}}}
  pair: {{kind: socketpair}}
  sealed: {{kind: store, share: read-only, accept: [memfd]}}
  kept: {{kind: store, share: read-only}}
  bell: {{kind: eventfd}}
  open: {{kind: file, path: {top}/open, access: read}}
  closed: {{kind: file, path: {top}/closed, access: read}}
  written: {{kind: file, path: {top}/open, access: append}}
  new: {{kind: file, path: {top}/new, access: write, create: {{mode: "0600"}}}}
  hidden: {{kind: file, path: {top}/private/deep/file, access: read}}
  later: {{kind: file, path: {top}/later, access: read}}
  gone: {{kind: file, root: {top}/gone, path: x, access: read}}
  each: {{kind: file, root: {top}, path: "${{user}}/x", access: read}}
  shut: {{kind: file, root: {top}/private, path: "${{user}}", access: read}}
"""

UNPRIVILEGED = {
    ("pty", "CAP_CHOWN"),
    ("pair", "CAP_SETUID and CAP_SETGID"),
    ("kept", "CAP_DAC_READ_SEARCH"),
    ("closed", "CAP_DAC_READ_SEARCH"),
    ("written", "CAP_DAC_OVERRIDE"),
    ("new", "CAP_DAC_OVERRIDE"),
    ("hidden", "CAP_DAC_READ_SEARCH"),
    ("shut", "CAP_DAC_READ_SEARCH"),
    ("gone", "is not there for the daemon"),
}


@pytest.fixture
def rules(place: Path) -> str:
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (place / name).touch()
        (place / name).chmod(mode)
    (place / "private" / "deep").mkdir(parents=True)
    (place / "private").chmod(0o700)
    return RULES.format(user=USER, top=place)


def said(rules: str) -> list[str]:
    return [one.message for one in impossible(loader.load_text(rules, "rules.yaml"))]


def test_root_can_do_all_but_reach_what_is_not_there(rules: str) -> None:
    need_root("to have every capability")
    assert [message.split(":")[0] for message in said(rules)] == ["gone"]


def test_a_user_without_capabilities_is_told_each(rules: str) -> None:
    need_root("to become somebody else")

    def work() -> None:
        become(USER)
        messages = said(rules)
        for name, needed in UNPRIVILEGED:
            assert any(one.startswith(f"{name}: ") and needed in one for one in messages), name
        assert {one.split(":")[0] for one in messages} == {name for name, _ in UNPRIVILEGED}

    in_child(work)
