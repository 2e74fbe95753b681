# SPDX-License-Identifier: MIT
"""A storm on a real daemon, and whether it is afterwards what it was before."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.daemon.broker import Files, RunningBroker, running
from tests.daemon.identity import User
from tests.daemon.items import held
from tests.daemon.process import descendants, resident_kib, wait_until
from tests.daemon.wire import MANAGER, Wire

from .ledger import Ledger
from .storm import Sent, storm

RULES = """
resources:
  bell: {kind: eventfd}
  pty: {kind: pty}
  note: {kind: file, root: $DIR, path: note, access: read}
  part: {kind: file, root: $DIR, path: "part-${name}", access: read,
         arguments: {name: {enum: [a, b]}}}
  secret: {kind: file, root: $DIR, path: note, access: read}
  slots: {kind: store}
rules:
  - {id: all, allow: [bell, pty, note, part], peer: {uid: ["0", "1000-1999"]}}
  - {id: items, allow: slots, do: [get, put, take, remove, list, watch], peer: {uid: 1000-1999}}
  - {id: staff, allow: secret, peer: {uid: 1999}}
  - {id: not-her, deny: pty, peer: {uid: 1002}}
"""

UIDS = (1000, 1001, 1002)

WARM_UP_FRAMES = 2000
"""Then what is loaded once is loaded, and the children that are kept are there."""

MAX_GROWTH_KIB = 8 * 1024
"""Nothing is kept of a frame, but an allocator keeps what it had at the most."""

MAX_CHILDREN = 4
"""The zygote, two children that are idle, and the one that closes."""

Verdicts = dict[tuple[int, str], tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a storm was, and what has changed by it."""

    frames: int
    connections: int
    users: int
    seconds: float
    replies: int
    descriptors_received: int
    receives_truncated: int
    descriptors_refused: int
    records: int
    outcomes: dict[str, int]
    resident_kib_before: int
    resident_kib_after: int
    open_before: int
    open_after: int
    children_before: int
    children_after: int
    verdicts: int
    verdicts_changed: int


def verdicts(broker: RunningBroker) -> Verdicts:
    """Ask what is known; return the error and how many descriptors came, of each question."""
    told: Verdicts = {}
    for uid in (0, *UIDS, 1999, 2000):
        with Wire(broker.address, User(uid)) as wire:
            for name in ("bell", "pty", "note", "secret", "part", "slots/a", "nothing"):
                arguments = {"name": "a"} if name == "part" else {}
                reply = wire.call("Get", resource=name, arguments=arguments)
                told[uid, name] = reply.error, len(reply.descriptors)
                wire.close_descriptors()
            told[uid, "Reload"] = wire.call(f"{MANAGER}WhoCan", resource="pty").error, 0
    return told


@contextmanager
def besieged(directory: Path, rules: str = RULES) -> Iterator[RunningBroker]:
    """Run a daemon with these rules."""
    files = Files(directory, rules, limits="{connections: 600, connections-per-uid: 200}")
    (directory / "note").write_text("a note\n")
    (directory / "part-a").write_text("part a\n")
    with running(files) as broker:
        yield broker
        assert broker.stop() == 0


def besiege(broker: RunningBroker, frames: int, seed: int = 1) -> Figures:
    """Send so many frames; fail where anything is other than before, or a record too many."""
    ledger = Ledger(broker.files.audit)
    _sent(broker, ledger, WARM_UP_FRAMES, seed)
    before = verdicts(broker)
    assert {error for error, _ in before.values()} >= {
        "",
        "Denied",
        "NoSuchItem",
        "PermissionDenied",
    }
    opened, children = _at_rest(broker)
    resident = resident_kib(broker.pid)
    began = monotonic()
    sent, outcomes = _sent(broker, ledger, frames, seed + 1)
    seconds = monotonic() - began
    wait_until(lambda: _at_rest(broker)[0] == opened, f"what it had open: {opened}")
    left, offspring = _at_rest(broker)
    after = verdicts(broker)
    figures = Figures(
        frames=sum(one.frames for one in sent),
        connections=sum(one.connections for one in sent),
        users=len(sent),
        seconds=round(seconds, 1),
        replies=sum(one.replies for one in sent),
        descriptors_received=sum(one.descriptors for one in sent),
        receives_truncated=sum(one.truncated for one in sent),
        descriptors_refused=sum(one.refused for one in sent),
        records=sum(outcomes.values()),
        outcomes=dict(outcomes),
        resident_kib_before=resident,
        resident_kib_after=resident_kib(broker.pid),
        open_before=opened.total(),
        open_after=left.total(),
        children_before=children,
        children_after=offspring,
        verdicts=len(after),
        verdicts_changed=sum(after[one] != before[one] for one in after),
    )
    assert not figures.verdicts_changed
    assert figures.children_after <= max(figures.children_before, MAX_CHILDREN), figures
    assert figures.resident_kib_after - resident < MAX_GROWTH_KIB, figures
    return figures


def _sent(
    broker: RunningBroker, ledger: Ledger, frames: int, seed: int
) -> tuple[list[Sent], Counter[str]]:
    """Storm; compare the records with what was sent; return what was, and the outcomes."""
    broker.status()
    ledger.read()
    uids, outcomes = ledger.of_uid.copy(), ledger.of_outcome.copy()
    sent = storm(broker.address, UIDS, frames, seed)
    _at_rest(broker)
    broker.status()
    ledger.read()
    for one in sent:
        made = ledger.of_uid[one.uid] - uids[one.uid]
        assert made == one.records, f"uid {one.uid}: {made} records of {one.records} requests"
    return sent, ledger.of_outcome - outcomes


def _at_rest(broker: RunningBroker) -> tuple[Counter[str], int]:
    """Return what it has open beside its sockets to children, and how many of those there are."""
    broker.descriptors()
    return held(broker.pid), len(descendants(broker.pid))
