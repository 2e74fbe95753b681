# SPDX-License-Identifier: MIT
"""A request that waits is looked at again, while a child is at work for it as well: one answer."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fdbrokerd.errors import Busy
from fdbrokerd.exchange import Answer, Caller, Cancel
from fdbrokerd.fd import OwnedFd
from fdbrokerd.interfaces import BROKER
from fdbrokerd.messages import decode
from fdbrokerd.opened import Opened
from fdbrokerd.rules.loader import load_text
from fdbrokerd.store.arrivals import Given
from fdbrokerd.store.item import Item
from tests.core.desk import Desk, told
from tests.core.made import USER, a_peer

from .shelf import a_pair, an_eventfd

FOR_EVER = 2**63 - 1
RULES = f"""
fdbroker: 1
resources:
  own: {{kind: store, names: "${{user}}/*"}}
  slots: {{kind: store}}
  pairs: {{kind: socketpair, ends: shared}}
  ends: {{kind: socketpair}}
rules:
  - {{id: all, allow: [own, slots, pairs, ends], do: [get, remove], peer: {{uid: {USER}}}}}
  - {{id: stores, allow: [own, slots], do: [put, take], peer: {{uid: {USER}}}}}
"""


class Asked:
    """One request of a connection, and what came of it."""

    def __init__(self, desk: Desk, method: str, **parameters: Any) -> None:
        self.desk = desk
        self.answers: list[Answer] = []
        self.gone = False
        self.caller = Caller(a_peer(), lambda: OwnedFd.copy_of(0))
        data = json.dumps({"method": f"{BROKER}.{method}", "parameters": parameters}).encode()
        self.cancel: Cancel | None = desk.broker.answer(self.caller, decode(data), self._reply)

    def _reply(self, answer: Answer) -> None:
        self.answers.append(answer)
        answer.delivered("the peer is gone" if self.gone else "")

    @property
    def errors(self) -> list[str]:
        return [told(one).get("error", "").rpartition(".")[2] for one in self.answers]

    def leave(self) -> None:
        """End the connection."""
        self.gone = True
        if self.cancel is not None:
            self.cancel()
        self.desk.broker.ended(self.caller)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ruleset = load_text(RULES, "rules")
    with closing(Desk(tmp_path, ruleset.resources.values(), ruleset.rules)) as made:
        yield made


def hold(desk: Desk, name: str, *, replace: bool = False) -> None:
    """Have an item come to be."""
    resource = desk.broker.in_force.ruleset.resources[name.partition("/")[0]]
    assert resource.holding is not None
    sort = "socket" if resource.kind == "socketpair" else "eventfd"
    ends = zip(("a", "b"), a_pair(), strict=True) if sort == "socket" else [("x", an_eventfd())]
    given = [Given(which, end, sort, "") for which, end in ends]
    outcomes: list[object] = []
    item = Item(name, USER, 1, None, {}, (), "")
    desk.store.put(item, given, resource.holding, outcomes.append, replace=replace)
    assert isinstance(outcomes[0], Item)


def know(desk: Desk, name: str | Busy | None) -> None:
    """Let those who wait for a user's name know it."""
    waiting, desk.opener.names = desk.opener.names or [], []
    for done in waiting:
        done(name)


def test_while_a_name_is_looked_up(desk: Desk) -> None:
    desk.opener.names = []
    asked = Asked(desk, "Get", resource="own/me/a", waitUSec=FOR_EVER)
    know(desk, "me")
    assert asked.answers == []
    desk.broker._users._known.clear()  # a minute later
    for _ in range(3):
        hold(desk, "own/me/a", replace=True)
    assert len(desk.opener.names) == 1
    know(desk, "me")
    assert asked.errors == [""]
    assert len(desk.records()) == 1


def test_the_time_passes_meanwhile(desk: Desk) -> None:
    desk.opener.names = []
    asked = Asked(desk, "Get", resource="own/me/a", waitUSec=1)
    know(desk, "me")
    desk.broker._users._known.clear()
    hold(desk, "own/me/a")
    desk.store.remove("own/me/a")
    ((_, late),) = desk.host.timers
    late()
    assert asked.answers == []
    know(desk, "me")
    assert asked.errors == ["TimedOut"]
    assert len(desk.records()) == 1


def test_the_peer_goes_meanwhile(desk: Desk) -> None:
    for answer in ("me", Busy(resource="x")):
        desk.opener.names = []
        asked = Asked(desk, "Take", item="own/me/a", waitUSec=FOR_EVER)
        know(desk, "me")
        desk.broker._users._known.clear()
        hold(desk, "own/me/a")
        asked.leave()
        know(desk, answer)
        (record,) = desk.records()
        assert record["resource"] in {"own/me/a", ""}
        desk.broker._users._known.clear()
        desk.store.remove("own/me/a")


def test_while_it_is_made(desk: Desk) -> None:
    """Another one is made, or comes, in the meantime."""
    asked = [Asked(desk, "Get", resource="pairs/a", waitUSec=FOR_EVER) for _ in range(3)]
    assert len(desk.opener.jobs) == 3
    hold(desk, "pairs/a")
    assert [one.answers for one in asked] == [[], [], []]
    desk_works(desk)
    assert [one.errors for one in asked] == [[""], [""], [""]]
    assert len(desk.store) == 1
    assert desk.store.descriptors == 2
    assert len(desk.records()) == 3


def desk_works(desk: Desk) -> None:
    """Do what a child would, which need not be the peer here."""
    jobs, desk.opener.jobs = desk.opener.jobs, []
    for _, done in jobs:
        a, b = a_pair()
        done(Opened({"a": a, "b": b}))


def test_while_the_next_one_is_made(desk: Desk) -> None:
    end = {"end": "a"}
    first = Asked(desk, "Get", resource="ends/a", arguments=end)
    desk_works(desk)
    assert first.errors == [""]
    waits = Asked(desk, "Get", resource="ends/a", arguments=end, waitUSec=1)
    assert not desk.opener.jobs
    other = Asked(desk, "Get", resource="ends/a", arguments={"end": "b"})
    assert other.errors == [""]
    assert len(desk.opener.jobs) == 1, "it is gone, and the next one is made"
    ((_, late),) = desk.host.timers
    late()
    assert len(desk.opener.jobs) == 1
    assert waits.answers == []
    desk_works(desk)
    assert waits.errors == [""]
    assert desk.host.timers == []
    assert len(desk.records()) == 3


def test_a_record_that_must_be_first_and_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is refused so gives back from within, which must not ask the same one again."""
    ruleset = load_text(RULES, "rules")
    with closing(Desk(tmp_path, ruleset.resources.values(), ruleset.rules, required=True)) as desk:
        monkeypatch.setattr(desk.log, "write_now", lambda _: False)
        waiters = [Asked(desk, "Take", item="slots/a", waitUSec=FOR_EVER) for _ in range(3)]
        late = Asked(desk, "Take", item="slots/a", waitUSec=1)
        hold(desk, "slots/a")
        assert [one.errors for one in (*waiters, late)] == [["Unavailable"]] * 4
        assert not desk.store.is_reserved("slots/a")


def test_a_put_whose_peer_goes_while_the_name_is_looked_up(desk: Desk) -> None:
    """Its connection has ended: nobody else would undo it."""
    desk.opener.names = []
    asked = Asked(desk, "Put", item="own/me/a", names=["x"])
    asked.leave()
    know(desk, "me")
    assert len(asked.answers) == 1
    transactions = desk.broker._deposits._transactions
    assert (transactions._open, transactions._of_caller, transactions._of_uid) == ({}, {}, {})
    (record,) = desk.records()
    assert (record["outcome"], record["detail"]) == ("failed", "the peer is gone")


def test_nobody_is_looked_up_for_what_no_rule_allows(desk: Desk) -> None:
    """How long a denial takes would tell that there is such a store."""
    desk.opener.names = []
    hold(desk, "own/me/a")
    for uid, method, parameters in (
        (USER + 1, "Get", {"resource": "own/me/a"}),
        (USER + 1, "Put", {"item": "own/me/a", "names": ["x"]}),
        (USER, "Watch", {"resource": "own"}),
        (USER + 1, "Remove", {"item": "own/me/a"}),
        (USER + 1, "Explain", {"resource": "own/me/a", "do": "nonsense"}),
        (USER + 1, "List", {}),
    ):
        (answer,) = desk.start(
            json.dumps({"method": f"{BROKER}.{method}", "parameters": parameters}).encode(), uid
        )
        answer.delivered()
        error = told(answer).get("error", "").rpartition(".")[2]
        assert error == ("" if method in {"Explain", "List"} else "Denied")
    assert desk.opener.names == []
