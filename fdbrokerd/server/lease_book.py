# SPDX-License-Identifier: MIT
"""The leases in the table: what is out is counted on after the daemon was started again."""

import os
from collections.abc import Hashable
from contextlib import suppress

from fdbrokerd.fd import OwnedFd
from fdbrokerd.leases import Leases
from fdbrokerd.leases.ledger import Lease, Outstanding
from fdbrokerd.leases.process import identity_of
from fdbrokerd.store.records import Leased, Returned
from fdbrokerd.store.table import Table


class LeaseBook:
    """Writes leases down as they begin and end.

    A process is known again by its pid and the inode of its pidfd, so that none of its descriptors
    has to be kept. A lease that could not be written is out all the same, and only forgotten by the
    next start; one of a process without a pid here, of another pid namespace, is not written.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def began(self, lease: Lease) -> None:
        """Write a lease down."""
        of = lease.of
        pid, inode = of.process.identity
        if pid:
            key = _flat(of.key)
            self._append(Leased(lease.id, of.uid, of.resource, of.weight, key, pid, inode))

    def ended(self, lease: str) -> None:
        """Strike a lease out."""
        if lease in self._table.state.leases:
            self._append(Returned(lease))

    def _append(self, record: Leased | Returned) -> None:
        with suppress(OSError):
            self._table.append(record)

    def restore(self, leases: Leases) -> None:
        """Count what is out still: the leases of processes that live."""
        for one in list(self._table.state.leases.values()):
            try:
                process = _process(one.pid, one.inode)
            except OSError:
                self._append(Returned(one.id))
                continue
            key = _key(one.key)
            out = Outstanding(one.id, one.uid, one.resource, one.weight, key, one.pid)
            leases.restore(out, process)


def _process(pid: int, inode: int) -> OwnedFd:
    """Return a pidfd of the process that held the lease. Raises OSError where it is gone."""
    pidfd = OwnedFd(os.pidfd_open(pid))
    if identity_of(pid, pidfd) != (pid, inode):
        pidfd.close()
        raise ProcessLookupError(pid)
    return pidfd


def _flat(key: Hashable) -> tuple[str | int, ...]:
    """Return what a lease is counted under, a rule and whose it is, as values that can be written.

    Of a process that is its pid and its inode: a pair within the pair.
    """
    assert isinstance(key, tuple)
    rule, whose = key
    return (rule, *whose) if isinstance(whose, tuple) else (rule, whose)


def _key(flat: tuple[str | int, ...]) -> Hashable:
    rule, *whose = flat
    return (rule, whose[0] if len(whose) == 1 else tuple(whose))
