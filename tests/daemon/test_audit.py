# SPDX-License-Identifier: MIT
"""One line of JSON for each request, whatever comes of it."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fdbrokerd.messages import CONTROL
from tests import needs

from .broker import COMMANDS, Files, RunningBroker, environment, running
from .identity import User
from .wire import Wire, call, message

PERSON = User(1000)

KEYS = {
    "time", "request", "peer", "method", "resource", "arguments", "verdict", "rules",
    "descriptors", "lease", "outcome", "detail", "duration",
}  # fmt: skip

RUN = [
    (call("WhoAmI"), "answered", ""),
    (call("List"), "answered", ""),
    (call("Explain", resource="pty"), "answered", ""),
    (call("Get", resource="pty", arguments={"rows": "30"}), "granted", "allow"),
    (call("Get", resource="note"), "granted", "allow"),
    (call("Get", resource="secret"), "denied", "deny"),
    (call("Get", resource="no-such-thing"), "denied", "deny"),
    (call("Get", resource="part", arguments={"name": "b"}), "failed", "allow"),
    (call("Get", resource="part", arguments={"name": "x"}), "failed", ""),
    (call("Get", resource="\u2028\x1b[2J"), "failed", ""),
    (call("Get", resource="pty", **{"\n\x9b2J\u202eGranted": 1}), "failed", ""),
    (call("Nothing"), "failed", ""),
    (call("Release", grant="x"), "failed", ""),
    (call("io.fdbroker.Manager.Reload"), "denied", ""),
    (message(method=1), "failed", ""),
    (message(method="io.fdbroker.Broker.WhoAmI", oneway=True), "answered", ""),
    (b"nonsense\0", "hung-up", ""),
]


def test_mixed_run(broker: RunningBroker) -> None:
    for _ in range(3):
        with Wire(broker.address, PERSON) as wire:
            wire.send(b"".join(data for data, _, _ in RUN))
            for _ in range(len(RUN) - 2):
                wire.receive()
            assert wire.is_hung_up()
    records = broker.records()
    expected = [(outcome, verdict) for _, outcome, verdict in RUN]
    assert [(one["outcome"], one["verdict"]) for one in records] == expected * 3
    assert len({one["request"] for one in records}) == len(records)
    for one in records:
        assert set(one) == KEYS
        assert one["peer"]["uid"] == PERSON.uid
        assert 0 <= one["duration"] < 10_000_000
        assert (one["descriptors"] > 0) == (one["outcome"] == "granted")
    assert records[3]["arguments"]["rows"] == "30"
    assert not any(CONTROL.search(text) for text in broker.files.audit.read_text().split("\n"))
    assert not any(CONTROL.search(one["detail"]) for one in records)


def get(broker: RunningBroker, resource: str) -> tuple[str, int]:
    """Ask once; return the error and how many descriptors came."""
    with Wire(broker.address, PERSON) as wire:
        reply = wire.call("Get", resource=resource)
        return reply.error, len(reply.descriptors)


def test_required(files: Files) -> None:
    """The record is there before the reply is."""
    files.write_settings(audit=f'{{journal: false, file: "{files.audit}", required: true}}')
    with running(files) as broker, Wire(broker.address, PERSON) as wire:
        for count in range(1, 4):
            assert len(wire.call("Get", resource="pty").descriptors) == 2
            lines = files.audit.read_text().splitlines()
            assert [json.loads(line)["outcome"] for line in lines] == ["granted"] * count


def test_required_and_not_possible(files: Files, loop: str) -> None:
    files.write_settings(audit='{journal: false, file: "/dev/full", required: true}')
    files.audit.touch()
    with running(files, COMMANDS[loop]) as broker:
        before = broker.descriptors()
        for resource in ("pty", "note"):
            assert get(broker, resource) == ("Unavailable", 0)
        assert get(broker, "secret") == ("Denied", 0)
        assert broker.status()["auditLost"] >= 3
        assert broker.status()["leases"] == 0
        assert broker.descriptors() == before


def test_not_required_and_not_possible(files: Files) -> None:
    files.write_settings(audit='{journal: false, file: "/dev/full"}')
    files.audit.touch()
    with running(files) as broker:
        assert get(broker, "pty") == ("", 2)
        assert broker.status()["auditLost"] >= 1


@contextmanager
def small_file_system(directory: Path) -> Iterator[None]:
    """Mount a file system of 64 KiB while the block runs."""
    directory.mkdir()
    mount = [needs.need_tool("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        needs.cannot("cannot mount a file system")
    try:
        yield
    finally:
        subprocess.run([needs.need_tool("umount"), str(directory)], check=True)


def test_full_disk(files: Files) -> None:
    """Nothing is granted while it is full; afterwards no line is torn."""
    disk = files.directory / "disk"
    with small_file_system(disk):
        files.audit = disk / "audit.jsonl"
        files.write_settings(audit=f'{{journal: false, file: "{files.audit}", required: true}}')
        with running(files) as broker:
            assert get(broker, "pty") == ("", 2)
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            answers = [get(broker, "pty")]
            while answers[-1] == ("", 2):  # what is left of the last page
                answers.append(get(broker, "pty"))
            assert answers[-1] == ("Unavailable", 0)
            assert get(broker, "pty") == ("Unavailable", 0)
            filler.unlink()
            assert get(broker, "pty") == ("", 2)
            text = files.audit.read_text()
        whole = [line for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
        granted = [one for one in map(json.loads, whole) if one["outcome"] == "granted"]
        assert len(granted) == len(answers) + 1
        assert shutil.disk_usage(disk).free


def test_each_record_is_in_the_file_or_counted(files: Files) -> None:
    """While the disk is full, too: those in whole lines and those lost are all there were."""
    disk = files.directory / "disk"
    with small_file_system(disk):
        files.audit = disk / "audit.jsonl"
        files.write_settings()
        files.write_settings(audit=f'{{journal: false, file: "{files.audit}"}}')
        with running(files) as broker, Wire(broker.address, PERSON) as wire:
            filler = disk / "filler"
            filler.write_bytes(b"x" * 48 * 1024)
            for _ in range(10):
                wire.send(call("WhoAmI") * 50)
                assert [wire.receive().error for _ in range(50)] == [""] * 50
            full = broker.status()["auditLost"]
            assert full > 300, "there is room for fewer than two hundred"
            filler.unlink()
            wire.send(call("WhoAmI") * 50)
            assert [wire.receive().error for _ in range(50)] == [""] * 50
            lost = broker.status()["auditLost"]
            lines = files.audit.read_text().splitlines()
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        assert len(lines) <= len(whole) + 1, "at most one line is torn"
        asked = 11 * 50 + 3  # Status, of which the last is not written yet
        assert len(whole) + lost == asked
        assert lost <= full + 1, "and none any more when there is room again"


# The journal.

AT_JOURNAL = (
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && "
    'mount --bind "$0" /run/systemd/journal && exec "$@"'
)
"""Puts a directory in the journal's place, in a mount namespace of its own."""


@contextmanager
def at_journal(files: Files) -> Iterator[tuple[RunningBroker, socket.socket]]:
    """Run a daemon whose journald is us; yield both."""
    place = files.directory / "journal"
    place.mkdir()
    unshare = [needs.need_tool("unshare"), "--mount", "--propagation", "private"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(place / "socket"))
        journal.setblocking(False)
        command = [*unshare, "sh", "-ec", AT_JOURNAL, str(place), *COMMANDS["uvloop"]]
        with running(files, command) as broker:
            yield broker, journal


def drained(journal: socket.socket) -> int:
    """Read all that a journal has; return how many records that was."""
    count = 0
    try:
        while b"FDBROKER_REQUEST=" in journal.recv(65536):
            count += 1
    except BlockingIOError:
        return count
    raise AssertionError("a datagram that is no record")


def test_a_journal_that_is_stopped(files: Files) -> None:
    """Who stops reading, as journald in SIGSTOP, holds up nobody, and every loss is told."""
    files.write_settings(audit="{journal: true}")
    files.audit.touch()
    with at_journal(files) as (broker, journal), Wire(broker.address, PERSON) as wire:
        for _ in range(40):
            wire.send(call("WhoAmI") * 50)
            assert [wire.receive().error for _ in range(50)] == [""] * 50
        lost = broker.status()["auditLost"]
        assert lost > 0
        assert drained(journal) + lost == 2001, "each request, and the first Status"
        told = run_ctl(broker, "status")
        assert f"auditLost: {lost}\n" in told
        assert wire.call("Get", resource="pty").error == ""
        assert broker.status()["auditLost"] == lost, "it goes on where it is read again"
        assert drained(journal) > 0


def test_a_journal_that_is_stopped_and_required(files: Files) -> None:
    files.write_settings(audit="{journal: true, required: true}")
    files.audit.touch()
    with at_journal(files) as (broker, journal), Wire(broker.address, PERSON) as wire:
        answers: list[str] = []
        while "Unavailable" not in answers:
            assert len(answers) < 2000, "it takes too many"
            answers.append(wire.call("Get", resource="pty").error)
            wire.close_descriptors()
        granted = answers.count("")
        assert set(answers) == {"", "Unavailable"}
        assert get(broker, "note") == ("Unavailable", 0)
        assert drained(journal) >= granted, "nothing that was granted is not there"
        assert get(broker, "note") == ("", 1)


def run_ctl(broker: RunningBroker, verb: str) -> str:
    """Return what fdbrokerctl prints."""
    return subprocess.run(
        [sys.executable, "-m", "fdbrokerd.cli.ctl", verb],
        env=environment(FDBROKER_SOCKET=broker.address),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout


def test_the_file_is_for_administrators(files: Files) -> None:
    files.write_settings()
    with running(files):
        assert files.audit.stat().st_mode & 0o777 == 0o600
