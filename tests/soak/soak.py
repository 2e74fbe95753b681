# SPDX-License-Identifier: MIT
"""The soak: workers ask, the daemon is looked at, and in the end everything must fit together."""

import os
import select
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fdbrokerd.opener.closer import MAX_STUCK
from fdbrokerd.opener.idle import IDLE_CHILDREN
from fdbrokerd.opener.pool import MAX_COPYING, MAX_OPENING
from tests.daemon.broker import Files, RunningBroker, running
from tests.daemon.items import held
from tests.daemon.process import wait_until
from tests.daemon.wire import MANAGER, Wire

from .count import Count
from .fleet import Fleet
from .gauge import Gauge
from .ledger import Ledger
from .rules import RULES, write_files

LOOK_SECONDS = 0.25
"""Between two looks at the daemon."""

WARM_SHARE = 5
"""After a fifth of the requests everything has been done often enough to be as large as it gets."""

FLAT_KIB = 2048
"""Less than what one request in a thousand would leave of 64 KiB messages, and more than noise."""

RECORDS_A_FILE = 200_000
"""About 70 MB; then it is rotated, as logrotate does."""

MOST_CHILDREN = 1 + MAX_OPENING + IDLE_CHILDREN + MAX_STUCK + 1 + MAX_COPYING
"""The zygote; those at work, idle, stuck; the closer; those that copy."""

AT_REST_CHILDREN = 1 + IDLE_CHILDREN + 1


@dataclass(slots=True)
class Figures:
    """What came of it. `faults` is empty, or says what is wrong."""

    seed: int
    requests: int = 0
    seconds: float = 0.0
    killed_clients: int = 0
    records: int = 0
    recorded_twice: int = 0
    not_recorded: int = 0
    audit_lost: int = 0
    rotations: int = 0
    warm_kib: int = 0
    end_kib: int = 0
    most_kib: int = 0
    descriptors_before: int = 0
    descriptors_after: int = 0
    most_descriptors: int = 0
    most_children: int = 0
    children_after: int = 0
    leases_after: int = 0
    items_after: int = 0
    longest_seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    what: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def soak(directory: Path, *, requests: int, workers: int, seed: int) -> Figures:
    """Run a daemon below `directory` and so many requests; return what came of it."""
    files = Files(directory, RULES)
    write_files(directory)
    figures = Figures(seed)
    with running(files) as broker, Wire(broker.address) as wire:
        assert wire.is_served()
        ledger, gauge = Ledger(), Gauge(broker.pid)
        started = time.monotonic()
        with Fleet(broker.address, workers, requests, seed) as fleet:
            _watch(fleet, gauge, broker, wire, ledger, figures, requests)
        figures.seconds = round(time.monotonic() - started, 1)
        _come_to_rest(broker, wire, gauge, figures)
        ledger.read(files.audit)
    _settle(fleet.counts, ledger, figures)
    return figures


def _watch(
    fleet: Fleet,
    gauge: Gauge,
    broker: RunningBroker,
    wire: Wire,
    ledger: Ledger,
    figures: Figures,
    requests: int,
) -> None:
    while waiting := fleet.waiting():
        for file in select.select(waiting, [], [], LOOK_SECONDS)[0]:
            fleet.reap(file)
        gauge.look()
        done = fleet.requests()
        if not gauge.warm_kib and done > requests // WARM_SHARE:
            gauge.warm()
        if done > ledger.lines + RECORDS_A_FILE:
            _rotate(broker, wire, ledger)
            figures.rotations += 1


def _rotate(broker: RunningBroker, wire: Wire, ledger: Ledger) -> None:
    """Move the file away, have another one opened, and take in what was written."""
    moved = broker.files.audit.with_suffix(".1")
    os.rename(broker.files.audit, moved)
    assert wire.call(f"{MANAGER}Reload").error == ""
    ledger.take(moved)


def _clear(wire: Wire, prefix: str) -> int:
    """Remove such items; return how many there were."""
    items = wire.call("List").parameters["items"]
    names = [item["name"] for item in items if item["name"].startswith(prefix)]
    for name in names:
        wire.call("Remove", item=name)
    return len(names)


def _come_to_rest(broker: RunningBroker, wire: Wire, gauge: Gauge, figures: Figures) -> None:
    """Wait until nothing is left of the clients, or until that has taken too long."""

    def status() -> dict[str, int]:
        return wire.call(f"{MANAGER}Status").parameters

    wait_until(lambda: status()["connections"] == 1, "all connections to end")

    def as_before() -> bool:
        # A Commit goes on when the process that asked for it is dead, so its item may come late.
        return not _clear(wire, "killed-slots/") and held(broker.pid) == gauge.open_before

    try:
        wait_until(as_before, "what it had open before")
        wait_until(lambda: status()["leases"] == 0, "the leases to end")
        wait_until(lambda: gauge.children() <= AT_REST_CHILDREN, "the children to end")
    except AssertionError as error:
        figures.faults.append(str(error))
    told = wire.call(f"{MANAGER}Status").parameters
    figures.audit_lost = told["auditLost"]
    figures.leases_after = told["leases"]
    figures.items_after = told["store"]["items"]
    figures.descriptors_before = gauge.open_before.total()
    figures.descriptors_after = held(broker.pid).total()
    figures.children_after = gauge.children()
    figures.warm_kib, figures.end_kib = gauge.warm_kib, gauge.resident_kib()
    figures.most_kib = gauge.most_kib
    figures.most_descriptors = gauge.most_open
    figures.most_children = gauge.most_children


def _settle(counts: dict[int, Count], ledger: Ledger, figures: Figures) -> None:
    """Compare what was answered with what was recorded, and say what is wrong."""
    faults = figures.faults
    for uid, count in counts.items():
        figures.requests += count.requests
        figures.longest_seconds = max(figures.longest_seconds, round(count.longest_seconds, 3))
        figures.killed_clients += count.what["be_killed"]
        figures.what = dict(Counter(figures.what) + count.what)
        faults += [f"uid {uid}: {wrong}" for wrong in count.wrong]
        recorded = ledger.records.get(uid, Counter())
        for key in sorted(count.answers.keys() | recorded.keys()):
            if count.answers[key] != recorded[key]:
                faults.append(f"uid {uid}: {key}: {count.answers[key]}, recorded {recorded[key]}")
            told = key.rpartition(" ")[2]
            figures.outcomes[told] = figures.outcomes.get(told, 0) + recorded[key]
        if not count.killed_at_least <= ledger.killed[uid] <= count.killed_at_most:
            faults.append(
                f"uid {uid}: {ledger.killed[uid]} records of killed clients, and they asked "
                f"{count.killed_at_least} to {count.killed_at_most} times"
            )
    figures.records = ledger.lines
    figures.recorded_twice, figures.not_recorded = ledger.twice, ledger.missing
    limits = {
        "recorded twice": (ledger.twice, 0),
        "not recorded": (ledger.missing, 0),
        "lost by the audit log": (figures.audit_lost, 0),
        "items left": (figures.items_after, 0),
        "leases left": (figures.leases_after, 0),
        "descriptors left": (figures.descriptors_after, figures.descriptors_before),
        "children": (figures.most_children, MOST_CHILDREN),
        "KiB more than when it was warm": (figures.end_kib - figures.warm_kib, FLAT_KIB),
    }
    faults += [f"{what}: {is_} > {most}" for what, (is_, most) in limits.items() if is_ > most]
