# SPDX-License-Identifier: MIT
"""Leases that were out are counted on, for as long as their processes live."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from fdbrokerd.errors import LimitReached
from fdbrokerd.fd import OwnedFd
from fdbrokerd.leases import Leases
from fdbrokerd.leases.process import identity_of
from fdbrokerd.model.rule import Limit, Per
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.server.lease_book import LeaseBook
from fdbrokerd.store.records import Leased
from fdbrokerd.store.table import Table
from tests.core.made import USER, a_peer, a_rule

from .changes import contents, loaded
from .shelf import Loop


class Office:
    """Leases that are written down in a table, which is borrowed."""

    def __init__(self, table: Table) -> None:
        self.loop = Loop()
        self.leases = Leases(self.loop.watch, self.loop.unwatch, lambda: 0.0)
        self.book = self.leases.book = LeaseBook(table)
        self.book.restore(self.leases)

    def admit(self, per: Per, process: int, held: int = 1) -> str:
        """Lend one thing to a process; return the lease."""
        verdict = Verdict((a_rule("some", "thing", limit=Limit(held=held, per=per)),), ())
        peer = a_peer(pid=process)
        admission = self.leases.admit(
            verdict, peer, "thing", 1, lambda: OwnedFd(os.pidfd_open(process))
        )
        assert admission is not None
        return self.leases.keep(admission)

    def is_full(self, per: Per, process: int) -> bool:
        try:
            lease = self.admit(per, process)
        except LimitReached:
            return True
        assert self.leases.release(lease, USER)
        return False

    def close(self) -> None:
        self.leases.close()


@pytest.fixture
def table() -> Iterator[Table]:
    with closing(Table.create()) as made:
        yield made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Run something that lives until it is killed."""
    with subprocess.Popen(["sleep", "infinity"]) as made:
        yield made
        with suppress(ProcessLookupError):
            made.kill()


def after(table: Table, then: Callable[[Table], None]) -> None:
    """Go on with what another daemon finds in the table."""
    with loaded(*map(contents, table.descriptors)) as again:
        then(again)


@pytest.mark.parametrize("per", [Per.UID, Per.PEER])
def test_what_is_out_stays_out(table: Table, process: subprocess.Popen[bytes], per: Per) -> None:
    with closing(Office(table)) as office:
        lease = office.admit(per, process.pid)

    def then(again: Table) -> None:
        with closing(Office(again)) as office:
            assert len(office.leases) == 1
            assert office.leases.holders("thing") == 1
            assert office.is_full(per, process.pid)
            assert not office.leases.release(lease, USER + 1)
            assert office.leases.release(lease, USER)
            assert not office.is_full(per, process.pid)
            assert again.state.leases == {}

    after(table, then)


def test_until_its_process_ends(table: Table, process: subprocess.Popen[bytes]) -> None:
    with closing(Office(table)) as office:
        office.admit(Per.UID, process.pid)

    def then(again: Table) -> None:
        with closing(Office(again)) as office:
            process.kill()
            office.loop.until(lambda: len(office.leases) == 0)
            assert again.state.leases == {}
            assert not office.is_full(Per.UID, os.getpid())

    after(table, then)


def test_one_whose_process_ended_meanwhile_is_struck_out(
    table: Table, process: subprocess.Popen[bytes]
) -> None:
    with closing(Office(table)) as office:
        office.admit(Per.UID, process.pid)
    process.kill()
    process.wait()

    def then(again: Table) -> None:
        with closing(Office(again)) as office:
            assert len(office.leases) == 0
            assert again.state.leases == {}

    after(table, then)


def test_a_zombie_holds_nothing(table: Table, process: subprocess.Popen[bytes]) -> None:
    with closing(Office(table)) as office:
        office.admit(Per.UID, process.pid)
    with OwnedFd(os.pidfd_open(process.pid)) as pidfd:
        signal.pidfd_send_signal(pidfd.fileno(), signal.SIGKILL)
        os.waitid(os.P_PIDFD, pidfd.fileno(), os.WEXITED | os.WNOWAIT)

    def then(again: Table) -> None:
        with closing(Office(again)) as office:
            office.loop.until(lambda: len(office.leases) == 0)
            assert again.state.leases == {}

    after(table, then)


def test_a_pid_that_is_used_again_is_somebody_else(
    table: Table, process: subprocess.Popen[bytes]
) -> None:
    with OwnedFd(os.pidfd_open(process.pid)) as pidfd:
        pid, inode = identity_of(process.pid, pidfd)
    table.append(Leased("old", USER, "thing", 1, ("some", USER), pid, inode + 1))
    table.append(Leased("same", USER, "thing", 1, ("some", USER), pid, inode))
    with closing(Office(table)) as office:
        assert list(office.leases._leases) == ["same"]
        assert list(table.state.leases) == ["same"]


@pytest.mark.parametrize("pid", [0, 2**22 + 1, 2**31 - 1])
def test_numbers_that_no_process_has(table: Table, pid: int) -> None:
    table.append(Leased("old", USER, "thing", 1, ("some", USER), pid, 1))
    with closing(Office(table)) as office:
        assert len(office.leases) == 0


def test_several_of_one_process_share_one_descriptor(
    table: Table, process: subprocess.Popen[bytes]
) -> None:
    with closing(Office(table)) as office:
        for _ in range(3):
            office.admit(Per.UID, process.pid, held=5)

    def then(again: Table) -> None:
        with closing(Office(again)) as office:
            assert len(office.leases) == 3
            assert len(office.loop.watched) == 1

    after(table, then)


def test_a_table_that_is_full_lends_all_the_same(
    table: Table, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(record: object) -> tuple[int, ...]:
        raise OSError(28, f"no room for {record}")

    with closing(Office(table)) as office:
        monkeypatch.setattr(table, "append", append)
        lease = office.admit(Per.UID, process.pid)
        assert len(office.leases) == 1
        assert office.leases.release(lease, USER)
