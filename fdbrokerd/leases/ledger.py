# SPDX-License-Identifier: MIT
"""The leases that are out, and who may have one more.

- A lease is kept only where a rule counts what is held. It ends when the process that got it ends,
  or on Release; not with the connection, since a client that becomes CMD closes that and lives on.
- `admit` counts before anything is opened, so that two requests cannot both be the last one.
"""

import os
from collections.abc import Callable, Hashable
from typing import Protocol

from msgspec import Struct

from fdbrokerd.errors import LimitReached
from fdbrokerd.fd import OwnedFd
from fdbrokerd.leases.process import Process, Processes, ProcessOf, Unwatch, Watch, identity_of
from fdbrokerd.leases.rate import Rates
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.rule import Limit, Per, Rule
from fdbrokerd.model.verdict import Verdict

MAX_LEASES_PER_UID = 1024
"""Each is some hundred bytes here and, with its process, a descriptor: a uid that reaches this is
counted by a rule that was never meant to bound anything."""


class Admission(Struct, frozen=True):
    """A grant that is counted. Exactly one of `keep` and `cancel` follows."""

    uid: int
    resource: str
    weight: int
    key: Hashable
    process: Process


class Outstanding(Struct, frozen=True):
    """A lease as it was written down: of a process that may live still."""

    id: str
    uid: int
    resource: str
    weight: int
    key: Hashable
    pid: int


class Lease(Struct, frozen=True):
    """A grant that is still out."""

    id: str
    of: Admission


class Book(Protocol):
    """Where leases are written down."""

    def began(self, lease: Lease) -> None:
        """Write one down."""
        ...

    def ended(self, lease: str) -> None:
        """Strike one out."""
        ...


class Leases:
    """All leases, and what is counted."""

    def __init__(self, watch: Watch, unwatch: Unwatch, clock: Callable[[], float]) -> None:
        self.book: Book | None = None
        """Where they are written down, if anywhere."""
        self._leases: dict[str, Lease] = {}
        self._held: dict[Hashable, int] = {}
        self._per_uid: dict[Hashable, int] = {}
        self._of_resource: dict[Hashable, int] = {}
        self._rates = Rates(clock)
        self._processes = Processes(watch, unwatch, self._process_ended)

    def admit(
        self, verdict: Verdict, peer: Peer, resource: str, weight: int, process_of: ProcessOf
    ) -> Admission | None:
        """Count a grant by the first rule that has room; None where nothing needs to be kept.

        One allow is enough: limits of different rules add up, and a rule without one always has
        room. Raises LimitReached with the name of the first limit in the way, OSError where the
        process is gone.
        """
        first = ""
        if not verdict.counted:
            return None
        for rule in verdict.allows:
            limit = rule.limit
            assert limit is not None
            key = _key(rule, limit, peer, process_of)
            reached = self._reached(limit, key, peer, weight)
            if reached is None:
                return self._count(limit, key, peer, resource, weight, process_of)
            first = first or reached
        raise LimitReached(limit=first)

    def _reached(self, limit: Limit, key: Hashable, peer: Peer, weight: int) -> str | None:
        if limit.held is not None:
            if self._held.get(key, 0) + weight > limit.held:
                return "held"
            if self._per_uid.get(peer.uid, 0) >= MAX_LEASES_PER_UID:
                return "leases"
        if limit.rate is not None and not self._rates.room(key, limit.rate, weight):
            return "rate"
        return None

    def _count(
        self,
        limit: Limit,
        key: Hashable,
        peer: Peer,
        resource: str,
        weight: int,
        process_of: ProcessOf,
    ) -> Admission | None:
        admission = None
        if limit.held is not None:
            process = self._processes.use(peer.pid, process_of)
            admission = Admission(peer.uid, resource, weight, key, process)
            self._hold(admission)
        if limit.rate is not None:
            self._rates.count(key, limit.rate, weight)
        return admission

    def cancel(self, admission: Admission) -> None:
        """Give back what was counted as held. A failed try still counts for the rate."""
        _subtract(self._held, admission.key, admission.weight)
        _subtract(self._per_uid, admission.uid, 1)
        self._processes.leave(admission.process)

    def keep(self, admission: Admission) -> str:
        """Make a lease of the admission and return its id.

        A process that ended meanwhile has its lease ended at once: the id names nothing any more.
        """
        lease = Lease(os.urandom(8).hex(), admission)
        if admission.process.pidfd.closed:
            self.cancel(admission)
        else:
            self._add(lease)
            if self.book is not None:
                self.book.began(lease)
        return lease.id

    def _add(self, lease: Lease) -> None:
        self._leases[lease.id] = lease
        count = self._of_resource.get(lease.of.resource, 0)
        self._of_resource[lease.of.resource] = count + 1

    def restore(self, lease: Outstanding, pidfd: OwnedFd) -> None:
        """Count a lease that was out before the daemon began; owns the pidfd of its process."""
        process = self._processes.use(lease.pid, lambda: pidfd)
        admission = Admission(lease.uid, lease.resource, lease.weight, lease.key, process)
        self._hold(admission)
        self._add(Lease(lease.id, admission))

    def _hold(self, admission: Admission) -> None:
        key, uid = admission.key, admission.uid
        self._held[key] = self._held.get(key, 0) + admission.weight
        self._per_uid[uid] = self._per_uid.get(uid, 0) + 1

    def release(self, grant: str, uid: int) -> bool:
        """End a lease of this uid; tell whether there was one."""
        lease = self._leases.get(grant)
        if lease is None or lease.of.uid != uid:
            return False
        self._end(lease)
        return True

    def _end(self, lease: Lease) -> None:
        del self._leases[lease.id]
        if self.book is not None:
            self.book.ended(lease.id)
        _subtract(self._of_resource, lease.of.resource, 1)
        self.cancel(lease.of)

    def _process_ended(self, process: Process) -> None:
        for lease in [lease for lease in self._leases.values() if lease.of.process is process]:
            self._end(lease)

    def holders(self, resource: str) -> int:
        """Return how many leases of a resource are out."""
        return self._of_resource.get(resource, 0)

    def __len__(self) -> int:
        return len(self._leases)

    def close(self) -> None:
        """Stop watching; what is out stays out."""
        self._processes.close()


def _key(rule: Rule, limit: Limit, peer: Peer, process_of: ProcessOf) -> Hashable:
    """Return what a grant is counted under: the rule, and the uid, the unit or the process."""
    if limit.per is Per.UID:
        return (rule.id, peer.uid)
    if limit.per is Per.UNIT:
        return (rule.id, peer.facts.unit)  # known: such a rule names units
    with process_of() as pidfd:
        return (rule.id, identity_of(peer.pid, pidfd))


def _subtract(counts: dict[Hashable, int], key: Hashable, weight: int) -> None:
    """Count less, and forget what is at nothing."""
    counts[key] -= weight
    if not counts[key]:
        del counts[key]
