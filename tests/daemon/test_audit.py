# SPDX-License-Identifier: MIT
"""One line of JSON for each request, whatever comes of it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fdbrokerd.messages import CONTROL
from tests import needs

from .broker import COMMANDS, Files, RunningBroker, running
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


def test_the_file_is_for_administrators(files: Files) -> None:
    files.write_settings()
    with running(files):
        assert files.audit.stat().st_mode & 0o777 == 0o600
