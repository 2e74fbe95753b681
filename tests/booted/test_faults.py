# SPDX-License-Identifier: MIT
"""What a machine does to a service: the journal goes, the manager executes itself, memory ends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .service import ABSTRACT, KNOCK, PATH, UNIT, Talker, drop_in
from .store_desk import AT_ONCE, ask, empty, ready, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from .machine import Machine

JOURNALD = "systemd-journald.service"
MEMFDS = 5
PERSON = 1234
QUEUE_LENGTH = 2000
"""More records than wait for a journald that does not read (net.unix.max_dgram_qlen)."""


class Knocks:
    """Somebody who connects and asks all the time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        assert process.stdout.readline() == "\n", "refused"

    def end(self) -> tuple[int, int]:
        """Return how often there was an answer, and how often none."""
        output, _ = self._process.communicate("\n")
        assert self._process.returncode == 0, "refused"
        answered, hung_up = map(int, output.split())
        return answered, hung_up


@contextmanager
def knocking(machine: Machine) -> Iterator[Knocks]:
    """Have somebody ask while the block runs."""
    with machine.popen("python3", "-Ic", KNOCK, PATH, user=PERSON) as process:
        try:
            yield Knocks(process)
        finally:
            process.kill()


@pytest.fixture
def holding(machine: Machine) -> Iterator[Machine]:
    """Return the machine with the service running and a few things held."""
    drop_in(machine, AT_ONCE)
    ready(machine)
    for number in range(MEMFDS):
        run(machine, "put", f"slots/{number}", "3600")
    yield machine
    empty(machine)


def check_held(machine: Machine) -> None:
    """Check that all of it is there."""
    assert set(ask(machine, "names", "slots")) == {f"slots/{n}" for n in range(MEMFDS)}


def records(machine: Machine, user: int = PERSON) -> int:
    """Return how many records there are of a user, with all that was sent by now."""
    return len(machine.journal(f"_SYSTEMD_UNIT={UNIT}", f"FDBROKER_PEER_UID={user}"))


def lost(machine: Machine) -> int:
    """Return how many records it could not write."""
    return int(json.loads(machine.run("fdbrokerctl", "status", "--json").stdout)["auditLost"])


def test_the_journal_is_started_again_underneath(service: Machine) -> None:
    """What does not fit into its socket's queue meanwhile is counted, and nobody waits."""
    before = records(service)
    with knocking(service) as knocks:
        for _ in range(3):
            service.systemctl("restart", JOURNALD)
        answered, hung_up = knocks.end()
    assert hung_up == 0
    assert records(service) - before + lost(service) == answered, "one record of each"
    seen = records(service)
    service.run("fdbroker-get", "pty", "--", "true", user=PERSON)
    assert records(service) == seen + 1


def test_a_journal_that_does_not_read_holds_up_nobody(service: Machine) -> None:
    """What it does not take is counted, and it is told again when it reads."""
    journald = service.show(JOURNALD, "MainPID")
    service.run("kill", "-STOP", journald)
    try:
        with Talker(service, ABSTRACT) as client:
            for _ in range(QUEUE_LENGTH):
                assert client.call("WhoAmI") == ("", 0)
        assert lost(service) > 0
    finally:
        service.run("kill", "-CONT", journald)
    before = records(service)
    service.run("fdbroker-get", "pty", "--", "true", user=PERSON)
    assert records(service) == before + 1


def test_a_journal_that_does_not_read_and_must(service: Machine) -> None:
    """With `required` nothing is handed out meanwhile."""
    service.write({"/etc/fdbrokerd/fdbrokerd.yaml": "fdbroker: 1\naudit: {required: true}\n"})
    try:
        service.systemctl("restart", UNIT)
        journald = service.show(JOURNALD, "MainPID")
        service.run("kill", "-STOP", journald)
        try:
            with Talker(service) as client:
                answers = [client.call("Get", resource="pty")]
                while answers[-1] == ("", 2):
                    assert len(answers) < QUEUE_LENGTH
                    answers.append(client.call("Get", resource="pty"))
        finally:
            service.run("kill", "-CONT", journald)
        assert answers[-1] == ("Unavailable", 0)
        service.run("journalctl", "--sync")
        with Talker(service) as client:
            assert client.call("Get", resource="pty") == ("", 2)
    finally:
        service.write({"/etc/fdbrokerd/fdbrokerd.yaml": "fdbroker: 1\n"})


def test_the_manager_executes_itself_and_reads_its_units_again(holding: Machine) -> None:
    with knocking(holding) as knocks:
        for command in ("daemon-reexec", "daemon-reload") * 2:
            holding.systemctl(command)
        answered, hung_up = knocks.end()
    assert (answered > 1, hung_up) == (True, 0)
    assert holding.show(UNIT, "NRestarts") == "0"
    check_held(holding)


def test_memory_runs_out(holding: Machine) -> None:
    """The kernel kills it, and not only a test: what it held is back."""
    controllers = holding.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split()
    if "memory" not in controllers:
        # Then the kernel's own signal stands for it: nothing else reaches the process either.
        for pid in holding.run("pgrep", "--parent", holding.show(UNIT, "MainPID")).stdout.split():
            holding.run("kill", "-KILL", pid)
    else:
        holding.systemctl("set-property", "--runtime", UNIT, "MemoryMax=4M", "MemorySwapMax=0")
    try:
        while holding.show(UNIT, "NRestarts") == "0":
            pass
    finally:
        holding.systemctl("revert", UNIT)
    holding.systemctl("start", UNIT)
    check_held(holding)


def test_stuck_it_is_killed_and_what_it_held_is_back(holding: Machine) -> None:
    drop_in(holding, f"{AT_ONCE}\nWatchdogSec=1s")
    holding.systemctl("restart", UNIT)
    with knocking(holding) as knocks:
        holding.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)
        while holding.show(UNIT, "NRestarts") == "0":
            pass
        holding.run("fdbroker-get", "pty", "--", "true", user=PERSON)
        _, hung_up = knocks.end()
    assert hung_up <= 1
    assert holding.show(UNIT, "NRestarts") == "1"
    check_held(holding)
