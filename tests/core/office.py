# SPDX-License-Identifier: MIT
"""A desk with resources of every sort: allowed, limited, slow, faulty, banned and hidden."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fdbrokerd import kinds
from fdbrokerd.kinds.pty import KIND as PTY
from fdbrokerd.kinds.pty import PtySpec
from fdbrokerd.model.argument import Argument, ArgumentLimit, Choice
from fdbrokerd.model.rule import Limit

from .desk import Desk
from .made import USER, a_resource, a_rule, file_spec, uids

MINE = PtySpec(owner=os.geteuid())
PARTS = {"part": Argument(Choice(("key", "chain")), "chain"), "must": Argument(Choice(("x",)), "x")}
ONE = Limit(held=1)


def fault(*_: object, **__: object) -> None:
    raise ValueError("a fault of another package's kind")


def a_desk(place: Path, **more: Any) -> Desk:
    (place / "file").write_text("text")
    of = {"root": str(place)}
    resources = [
        a_resource("pty", "pty", MINE, PTY.arguments),
        a_resource("one", "pty", MINE, PTY.arguments),
        a_resource("file", "file", file_spec(path="file", **of)),
        a_resource("parts", "file", file_spec(("part",), path="${part}", **of), PARTS),
        a_resource("missing", "file", file_spec(path="missing", **of)),
        a_resource("slow", "file", file_spec(path="file", deliver="snapshot", **of)),
        a_resource("slow-missing", "file", file_spec(path="missing", deliver="pipe", **of)),
        a_resource("faulty", "faulty", None),
        a_resource("banned", "pty", MINE),
        a_resource("hidden", "pty", MINE),
    ]
    rules = [
        a_rule("users", "pty", "file", "parts", "slow", peer=uids(USER)),
        a_rule("few", "one", "missing", "slow-missing", "faulty", peer=uids(USER), limit=ONE),
        a_rule("all", "banned"),
        a_rule("never", "banned", deny=True, peer=uids(USER), hint="Ask the office."),
        a_rule(
            "no-keys", "parts", deny=True, arguments={"part": ArgumentLimit(frozenset({"key"}))}
        ),
    ]
    return Desk(place, resources, rules, **more)


@contextmanager
def an_office(place: Path, **more: Any) -> Iterator[Desk]:
    """Open a desk, with one kind more than there are."""
    faulty = SimpleNamespace(
        name="faulty",
        open=fault,
        may_block=lambda _: False,
        many=False,
        descriptors=("file",),
        verbs=frozenset({"get"}),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "_OURS", {**kinds._OURS, "faulty": faulty})
        desk = a_desk(place, **more)
        try:
            yield desk
        finally:
            desk.close()
