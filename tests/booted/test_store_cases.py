# SPDX-License-Identifier: MIT
"""The store under a real manager: ends that are gone, deadlines, leases, shared files, no table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .service import UNIT, drop_in
from .store_desk import (
    AT_ONCE,
    RESOURCES,
    TABLES,
    Program,
    ask,
    check_stored,
    empty,
    kill,
    number,
    ready,
    run,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .machine import Machine

COUNT = number("COUNT", 300)

LATE_USEC = 1_000_000
"""How late an expiry may be told of on a machine that does other things."""


@pytest.fixture(scope="module")
def serving(machine: Machine) -> Iterator[Machine]:
    """Return the machine with the service running, and started again at once after each kill."""
    drop_in(machine, AT_ONCE)
    ready(machine)
    yield machine
    empty(machine)


@pytest.fixture
def holding(serving: Machine) -> Iterator[Machine]:
    """Return it with nothing held."""
    yield serving
    serving.systemctl("start", UNIT)
    run(serving, "clear", *RESOURCES)


def names(machine: Machine, resource: str = "slots") -> set[str]:
    return {name.partition("/")[2] for name in ask(machine, "names", resource)}


def test_what_is_hung_up_is_kept(holding: Machine) -> None:
    run(holding, "hang-up", "slots")
    kill(holding)
    look = ask(holding, "look", "slots")
    assert {name: item["hung-up"] for name, item in look["items"].items()} == {
        "slots/pair": {"fd": True},
        "slots/pipe": {"fd": True},
        "slots/master": {"fd": True},
    }
    check_stored(holding, look)


def test_what_hangs_up_is_dropped_where_the_store_says_so(holding: Machine) -> None:
    run(holding, "hang-up", "drops")
    # The daemon is told by the kernel, and tells the manager; of a terminal nobody is told.
    while names(holding, "drops") != {"master"}:
        pass
    assert stored(holding).total() == 1 + TABLES
    kill(holding)
    assert names(holding, "drops") == {"master"}
    assert stored(holding).total() == 1 + TABLES


def test_what_hangs_up_while_nobody_serves_is_dropped_at_the_start(holding: Machine) -> None:
    with Program(holding, "keep-peer", "drops/pair") as peer:
        peer.says()
        assert names(holding, "drops") == {"pair"}
        holding.systemctl("stop", UNIT)
        peer.end()
    assert stored(holding).total() == 1 + TABLES
    holding.systemctl("start", UNIT)
    while names(holding, "drops"):
        pass
    assert stored(holding).total() == TABLES


def test_deadlines_pass_while_nobody_serves_and_others_are_kept(holding: Machine) -> None:
    later = ask(holding, "put", "slots/later", "4")["deadline"]
    sooner = ask(holding, "put", "slots/sooner", "0.5")["deadline"]
    holding.systemctl("stop", UNIT)
    assert stored(holding).total() == 2 + TABLES
    time.sleep(max(0, sooner / 1e6 - time.time()))
    holding.systemctl("start", UNIT)
    with Program(holding, "expect", "slots/later") as program:
        assert abs(program.says()["deadline"] - later) < LATE_USEC
        assert names(holding) == {"later"}
        told = program.says()
    assert told["events"] == ["added", "expired"]
    assert -2000 < told["at"] - later < LATE_USEC
    assert stored(holding).total() == TABLES


def test_a_lease_is_counted_on(holding: Machine) -> None:
    ask(holding, "put", "single/one", "3600")
    refused = {"error": "LimitReached", "limit": "held"}
    with Program(holding, "hold", "single/one", user=1234) as holder:
        assert holder.says() == {"error": ""}
        assert ask(holding, "hold", "single/one", user=1234) == refused
        kill(holding)
        assert ask(holding, "hold", "single/one", user=1234) == refused
        holder.end()
    # The daemon is told of the end by the kernel.
    while ask(holding, "hold", "single/one", user=1234) == refused:
        pass


def test_a_lease_whose_process_ends_while_nobody_serves_is_over(holding: Machine) -> None:
    ask(holding, "put", "single/one", "3600")
    with Program(holding, "hold", "single/one", user=1234) as holder:
        assert holder.says() == {"error": ""}
        holding.systemctl("stop", UNIT)
        holder.end()
    holding.systemctl("start", UNIT)
    assert ask(holding, "hold", "single/one", user=1234) == {"error": ""}


def test_one_open_file_under_two_names(holding: Machine) -> None:
    ask(holding, "put", "slots/first", "3600", user=1234)
    run(holding, "share", "slots/first", "slots/second", user=4321)
    assert stored(holding).total() == 1 + TABLES
    kill(holding)
    items = ask(holding, "look", "slots")["items"]
    assert items["slots/first"]["parts"] == items["slots/second"]["parts"]
    assert [items[f"slots/{name}"]["owner"] for name in ("first", "second")] == [1234, 4321]
    holding.run("fdbrokerctl", "remove", "slots/first")
    assert stored(holding).total() == 1 + TABLES
    kill(holding)
    assert (
        ask(holding, "look", "slots")["items"]["slots/second"]["parts"]
        == (items["slots/second"]["parts"])
    )
    holding.run("fdbrokerctl", "remove", "slots/second")
    assert stored(holding).total() == TABLES


def _forget(machine: Machine) -> None:
    drop_in(machine, f"{AT_ONCE}\nNotifyAccess=all")
    run(machine, "forget", "t0", "t1")
    assert stored(machine).keys().isdisjoint({"t0", "t1"})


def _damage(machine: Machine) -> None:
    run(machine, "damage", machine.show(UNIT, "MainPID"))


@pytest.mark.parametrize("lose", [_forget, _damage])
def test_without_its_table_all_is_kept_and_said(
    holding: Machine, lose: Callable[[Machine], None]
) -> None:
    for name in ("one", "two", "three"):
        ask(holding, "put", f"slots/{name}", "3600")
    held = stored(holding)
    lose(holding)
    since = holding.journal("--lines=1", f"_SYSTEMD_UNIT={UNIT}")[-1]["__CURSOR"]
    kill(holding)
    said = holding.journal(f"--after-cursor={since}", f"_SYSTEMD_UNIT={UNIT}")
    assert any("3 held descriptors have lost their names" in one["MESSAGE"] for one in said)
    assert stored(holding) == held
    assert names(holding) == set()
    # It goes on with a table that is new, and knows that these are nobody's to close.
    ask(holding, "put", "slots/four", "3600")
    kill(holding)
    assert names(holding) == {"four"}
    assert held < stored(holding)
    assert stored(holding).total() == 4 + TABLES
    holding.systemctl("stop", UNIT)
    holding.systemctl("clean", "--what=fdstore", UNIT)
    assert holding.show(UNIT, "NFileDescriptorStore") == "0"
    holding.systemctl("start", UNIT)
    assert stored(holding).total() == TABLES


def test_a_table_of_a_newer_version_is_left_alone(holding: Machine) -> None:
    ask(holding, "put", "slots/one", "3600")
    since = holding.journal("--lines=1", f"_SYSTEMD_UNIT={UNIT}")[-1]["__CURSOR"]
    with Program(holding, "newer", holding.show(UNIT, "MainPID")) as program:
        assert program.says() == {"tables": 1}
        holding.systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
        said: list[str] = []
        while not any("start that one again" in line for line in said):
            records = holding.journal(f"--after-cursor={since}", f"_SYSTEMD_UNIT={UNIT}")
            said = [one.get("MESSAGE", "") for one in records]
        assert stored(holding).total() == 1 + TABLES
        program.go_on()
        program.end()
    assert names(holding) == {"one"}


def test_ten_processes_count_together(holding: Machine) -> None:
    with Program(holding, "soak", str(COUNT)) as program:
        program.says()
        kill(holding)  # whatever they are at
        program.go_on()
        told = program.says()
    assert told["failed"] == []
    assert told["values"] == [10 * COUNT, 10 * COUNT, *[COUNT] * 10]
    # The memory, the lock and ten bells, each made once.
    assert stored(holding).total() == 12 + TABLES
