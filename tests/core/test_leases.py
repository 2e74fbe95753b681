# SPDX-License-Identifier: MIT
"""What is out, per uid and per process: real processes and pidfds, and a clock that we turn."""

import os
from collections.abc import Callable, Iterator

import pytest

from fdbrokerd.errors import LimitReached
from fdbrokerd.fd import OwnedFd
from fdbrokerd.leases import Admission, Leases, ledger, rate
from fdbrokerd.leases.rate import Rates
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.rule import Limit, Per, Rate, Rule
from fdbrokerd.model.verdict import Verdict

from .made import OTHER, USER, a_peer, a_rule
from .processes import readable, sleeper

PER_UID = Limit(held=2)
PER_PEER = Limit(held=1, per=Per.PEER)


class Desk:
    """Leases, with a loop and a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.watched: dict[int, Callable[[], None]] = {}
        self.leases = Leases(self.watched.__setitem__, self.watched.pop, lambda: self.now)

    def admit(self, peer: Peer, *limits: Limit | None, weight: int = 1) -> Admission | None:
        rules = tuple(rule(f"r{index}", limit) for index, limit in enumerate(limits))
        return self.leases.admit(
            Verdict(allows=rules), peer, "pty", weight, lambda: OwnedFd(os.pidfd_open(peer.pid))
        )

    def lease(self, peer: Peer, *limits: Limit | None, weight: int = 1) -> str:
        admission = self.admit(peer, *limits, weight=weight)
        assert admission is not None
        return self.leases.keep(admission)

    def refused(self, peer: Peer, *limits: Limit | None, weight: int = 1) -> str:
        with pytest.raises(LimitReached) as refused:
            self.admit(peer, *limits, weight=weight)
        return str(refused.value.limit)

    def turn(self) -> None:
        """Call back for every process that has ended, as a loop would."""
        for number, callback in list(self.watched.items()):
            if readable(number, 0):
                callback()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.leases.close()
    assert not desk.watched


def rule(id: str, limit: Limit | None) -> Rule:  # noqa: A002 (its name in a rule)
    return a_rule(id, "pty", limit=limit)


def test_without_a_limit_nothing_is_kept(desk: Desk) -> None:
    assert desk.admit(a_peer(), None) is None
    assert desk.admit(a_peer(), PER_PEER, None) is None, "one rule without a limit has room"
    assert (len(desk.leases), desk.watched) == (0, {})


def test_held_is_counted_per_uid(desk: Desk) -> None:
    with sleeper() as other:
        desk.lease(a_peer(), PER_UID)
        desk.lease(a_peer(pid=other), PER_UID)
        assert desk.refused(a_peer(), PER_UID) == "held"
        assert desk.refused(a_peer(pid=other), PER_UID) == "held"
        desk.lease(a_peer(OTHER), PER_UID)
        assert desk.leases.holders("pty") == len(desk.leases) == 3
        assert desk.leases.holders("file") == 0
        assert len(desk.watched) == 2, "one pidfd for a process"


def test_held_is_counted_per_process(desk: Desk) -> None:
    with sleeper() as other:
        desk.lease(a_peer(), PER_PEER)
        desk.lease(a_peer(pid=other), PER_PEER)
        assert desk.refused(a_peer(), PER_PEER) == "held"


def test_limits_of_several_rules_add_up(desk: Desk) -> None:
    limits = (PER_UID, Limit(held=1))
    for _ in range(3):
        desk.lease(a_peer(), *limits)
    assert desk.refused(a_peer(), *limits) == "held"
    assert desk.refused(a_peer(OTHER), Limit(rate=Rate(0, 60)), Limit(held=0)) == "rate"


def test_a_lease_ends_on_release_by_its_uid_alone(desk: Desk) -> None:
    grant = desk.lease(a_peer(), Limit(held=1))
    assert not desk.leases.release(grant, OTHER)
    assert not desk.leases.release("", USER)
    assert desk.refused(a_peer(), Limit(held=1)) == "held"
    assert desk.leases.release(grant, USER)
    assert not desk.leases.release(grant, USER)
    assert not desk.watched
    assert desk.lease(a_peer(), Limit(held=1)) != grant


def test_a_lease_ends_with_its_process(desk: Desk) -> None:
    with sleeper() as pid:
        first = desk.lease(a_peer(pid=pid), PER_UID)
        desk.lease(a_peer(pid=pid), PER_UID)
        desk.turn()
        assert len(desk.leases) == 2
        (number,) = desk.watched
    assert readable(number)
    desk.turn()
    assert (len(desk.leases), desk.watched) == (0, {})
    assert not desk.leases.release(first, USER)
    desk.lease(a_peer(), PER_UID, weight=2)


def test_a_failed_try_counts_for_the_rate_and_is_not_held(desk: Desk) -> None:
    limit = Limit(held=1, rate=Rate(2, 60))
    for _ in range(2):
        admission = desk.admit(a_peer(), limit)
        assert admission is not None
        desk.leases.cancel(admission)
        assert not desk.watched
    assert desk.refused(a_peer(), limit) == "rate"


def test_two_cannot_both_be_the_last(desk: Desk) -> None:
    """Counted when admitted, not when kept: another request may come while one is opened."""
    admission = desk.admit(a_peer(), Limit(held=1))
    assert admission is not None
    assert desk.refused(a_peer(), Limit(held=1)) == "held"
    desk.leases.cancel(admission)
    desk.lease(a_peer(), Limit(held=1))


def test_several_at_once_weigh_as_many(desk: Desk) -> None:
    limit = Limit(held=5, rate=Rate(7, 60))
    grant = desk.lease(a_peer(), limit, weight=3)
    assert desk.refused(a_peer(), limit, weight=3) == "held"
    desk.lease(a_peer(), limit, weight=2)
    assert desk.leases.release(grant, USER)
    assert desk.refused(a_peer(), limit, weight=3) == "rate"
    desk.lease(a_peer(), limit, weight=2)


def test_a_rate_is_of_any_such_time(desk: Desk) -> None:
    limit = Limit(rate=Rate(2, 60))
    for at, room in [(0, True), (30, True), (59, False), (60, True), (61, False), (89, False),
                     (90, True), (200, True), (200, True), (200, False)]:  # fmt: skip
        desk.now = 1000.0 + at
        if room:
            assert desk.admit(a_peer(), limit) is None, "a rate alone keeps no lease"
        else:
            assert desk.refused(a_peer(), limit) == "rate"
        assert not desk.watched


def test_the_rates_of_processes_are_their_own(desk: Desk) -> None:
    limit = Limit(rate=Rate(1, 60), per=Per.PEER)
    with sleeper() as other:
        desk.admit(a_peer(), limit)
        desk.admit(a_peer(pid=other), limit)
        assert desk.refused(a_peer(), limit) == "rate"


def test_a_process_that_is_gone_is_an_error_and_nothing_is_counted(desk: Desk) -> None:
    with sleeper() as pid:
        pass
    for limit in (PER_UID, PER_PEER):
        with pytest.raises(ProcessLookupError):
            desk.admit(a_peer(pid=pid), limit)
    desk.lease(a_peer(), PER_UID, weight=2)


def test_a_process_that_ended_while_it_was_opened_holds_nothing(desk: Desk) -> None:
    with sleeper() as pid:
        admission = desk.admit(a_peer(pid=pid), PER_UID, weight=2)
        assert admission is not None
        pidfd = OwnedFd.copy_of(admission.process.pidfd.fileno())
    with pidfd:
        assert readable(pidfd.fileno())
    desk.turn()
    grant = desk.leases.keep(admission)
    assert len(grant) == 16
    assert len(desk.leases) == 0
    assert not desk.leases.release(grant, USER)
    desk.lease(a_peer(), PER_UID, weight=2)


def test_a_number_that_is_used_again_is_another_process(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Linux 6.9, where every pidfd has the same inode: only the pid tells them apart."""
    monkeypatch.setattr("fdbrokerd.leases.process.identity_of", lambda pid, _: (pid, 1))
    successor = a_peer(pid=4242)
    with sleeper() as pid:
        old = desk.leases.admit(
            Verdict(allows=(rule("r0", PER_UID),)), successor, "pty", 2,
            lambda: OwnedFd(os.pidfd_open(pid)),
        )  # fmt: skip
        assert old is not None
        desk.leases.keep(old)
    # Its end was not seen yet when a process with its number asks.
    with pytest.raises(LimitReached):
        desk.admit(a_peer(), PER_UID)
    with sleeper() as new:
        lease = desk.leases.admit(
            Verdict(allows=(rule("other", PER_UID),)), successor, "pty", 1,
            lambda: OwnedFd(os.pidfd_open(new)),
        )  # fmt: skip
        assert lease is not None
        assert lease.process is not old.process
        assert old.process.pidfd.closed
        desk.leases.keep(lease)
        assert len(desk.leases) == 1
        desk.lease(a_peer(), PER_UID, weight=2)


def test_a_uid_has_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_LEASES_PER_UID", 3)
    many = Limit(held=1000)
    grants = [desk.lease(a_peer(), many) for _ in range(3)]
    assert desk.refused(a_peer(), many) == "leases"
    desk.lease(a_peer(OTHER), many)
    desk.leases.release(grants[0], USER)
    desk.lease(a_peer(), many)


def test_old_rates_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SWEEP_AT_KEYS", 3)
    now = [0.0]
    rates = Rates(lambda: now[0])
    minute = Rate(9, 60)
    for key in range(2):
        rates.count(key, minute, 1)
    now[0] = 59
    rates.count(2, minute, 1)
    now[0] += 2
    rates.count(3, minute, 1)
    assert set(rates._times) == {2, 3}
    assert not rates.room(3, Rate(1, 60), 1)
