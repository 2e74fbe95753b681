# SPDX-License-Identifier: MIT
"""Where records go: a real file, a real datagram socket, and what is lost when they fail."""

import json
import os
import resource
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from fdbrokerd.audit import AuditLog, Record, log
from fdbrokerd.audit.record import GRANTED, Line
from fdbrokerd.audit.record import lines as as_lines

from .made import a_peer
from .processes import in_child


class Timeless(Record):
    """Its lines are all of the same length."""

    def line(self, zero_ns: int) -> Line:
        """Return the record without its times."""
        return replace(super().line(zero_ns), time=0, duration=0)


def a_record(request: str = "id", detail: str = "") -> Record:
    record = Record(a_peer(), request, "io.fdbroker.Broker.Get")
    record.detail = detail
    return record


@contextmanager
def audit(
    path: Path | str | None, *, journal: bool = False, required: bool = False
) -> Iterator[AuditLog]:
    made = AuditLog(journal=journal, file=None if path is None else str(path), required=required)
    try:
        yield made
    finally:
        made.close()


def requests(path: Path) -> list[str]:
    return [json.loads(text)["request"] for text in path.read_text().splitlines()]


@pytest.fixture
def journal(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(log, "JOURNAL_SOCKET", str(place / "journal"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(place / "journal"))
        journal.setblocking(False)
        yield journal


def test_records_wait_and_are_written_together(place: Path) -> None:
    with audit(place / "log") as made:
        assert made.add(a_record("a"))
        assert not made.add(a_record("b"))
        assert requests(place / "log") == []
        made.flush()
        made.flush()
        assert requests(place / "log") == ["a", "b"]
        assert made.add(a_record("c")), "the first one again"
    assert requests(place / "log") == ["a", "b", "c"], "the end writes what waits"
    assert made.lost == 0


def test_the_file_is_appended_to_and_not_for_others(place: Path) -> None:
    before = os.umask(0)
    try:
        with audit(place / "log") as made:
            made.write_now(a_record("a"))
        with audit(place / "log") as made:
            made.write_now(a_record("b"))
    finally:
        os.umask(before)
    assert requests(place / "log") == ["a", "b"]
    assert stat.S_IMODE(os.stat(place / "log").st_mode) == 0o600


@pytest.mark.parametrize("what", ["link", "directory", "fifo", "no/such"])
def test_a_file_that_cannot_be_one_is_an_error(place: Path, what: str) -> None:
    (place / "link").symlink_to("target")
    (place / "directory").mkdir()
    os.mkfifo(place / "fifo")
    with pytest.raises(OSError):  # noqa: PT011 (the number is what counts)
        AuditLog(journal=False, file=str(place / what), required=False)
    assert not (place / "target").exists()


def test_a_file_that_was_renamed_is_opened_again(place: Path) -> None:
    with audit(place / "log") as made:
        made.write_now(a_record("a"))
        os.rename(place / "log", place / "log.1")
        made.add(a_record("b"))
        reopened = partial(made.reopen, journal=False, required=False)
        reopened(file=str(place / "log"))
        made.write_now(a_record("c"))
        with pytest.raises(IsADirectoryError):
            reopened(file=str(place))
        made.write_now(a_record("d"))
        assert made.lost == 0, "the file that was open stays so"
        reopened(file=None)
        assert made.filenos() == []
    assert requests(place / "log.1") == ["a", "b"]
    assert requests(place / "log") == ["c", "d"]


def test_a_full_disk_is_counted() -> None:
    with audit("/dev/full") as made:
        made.add(a_record())
        made.add(a_record())
        made.flush()
        assert made.lost == 2
        assert not made.write_now(a_record())
        assert made.lost == 3


@pytest.mark.parametrize("whole", [0, 1, 2])
@pytest.mark.parametrize("extra", [0, 1, 40])
def test_a_disk_that_fills_up_tears_one_line_and_no_other(
    place: Path, whole: int, extra: int
) -> None:
    """A short write is what a full disk looks like, and a limit on the file's size."""

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        records = [Timeless(a_peer(), f"r{index}") for index in range(3)]
        size = len(as_lines(records[:1], 0))
        with audit(place / "log") as made:
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (size * whole + extra, resource.RLIM_INFINITY)
            )
            for record in records:
                made.add(record)
            made.flush()
            assert made.lost == 3 - whole
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            assert made.write_now(a_record("after"))
            assert made.lost == 3 - whole

    in_child(fill)
    lines = (place / "log").read_text().splitlines()
    read = [json.loads(text)["request"] for text in lines if text.endswith("}")]
    assert read == [f"r{index}" for index in range(whole)] + ["after"]
    assert len(lines) == len(read) + bool(extra)
    assert "" not in lines


def test_the_journal_gets_a_datagram_for_each(journal: socket.socket) -> None:
    with audit(None, journal=True) as made:
        made.add(a_record("a"))
        made.add(a_record("b", detail="x\nMESSAGE_ID=forged"))
        made.flush()
        assert b"\nFDBROKER_REQUEST=a\n" in journal.recv(65536)
        second = journal.recv(65536)
        assert b"\nFDBROKER_REQUEST=b\n" in second
        assert b"\nFDBROKER_DETAIL\n\x13\0\0\0\0\0\0\0x\nMESSAGE_ID=forged\n" in second
        with pytest.raises(BlockingIOError):
            journal.recv(1)


def test_a_journal_that_does_not_read_holds_up_nobody(journal: socket.socket) -> None:
    with audit(None, journal=True) as made:
        for _ in range(3000):
            made.add(a_record())
        made.flush()
        got = 0
        try:
            while journal.recv(65536):
                got += 1
        except BlockingIOError:
            pass
        assert 0 < got == 3000 - made.lost < 3000
        assert made.write_now(a_record()), "and it goes on when it reads again"


def test_a_record_too_long_for_a_datagram_is_lost_and_counted(journal: socket.socket) -> None:
    with audit(None, journal=True) as made:
        assert not made.write_now(a_record(detail="x" * 2_000_000))
        assert made.lost == 1
        assert made.write_now(a_record())
        assert journal.recv(10)


def test_a_journal_that_was_started_again_gets_what_follows(
    journal: socket.socket, place: Path
) -> None:
    with audit(None, journal=True) as made:
        journal.close()
        made.write_now(a_record("while it was away"))
        os.unlink(place / "journal")
        made.write_now(a_record("while it was away"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
            again.bind(str(place / "journal"))
            assert made.write_now(a_record("back"))
            assert b"back" in again.recv(65536)
        assert made.lost == 0, "no journald is no fault"


@pytest.mark.parametrize("required", [False, True])
def test_no_journald_is_a_fault_only_where_records_are_required(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    monkeypatch.setattr(log, "JOURNAL_SOCKET", str(place / "nobody"))
    with audit(place / "log", journal=True, required=required) as made:
        assert made.write_now(a_record()) is not required
        assert made.lost == required


def test_a_record_that_is_written_nowhere_is_not_written() -> None:
    with audit(None) as made:
        assert not made.write_now(a_record())
        made.add(a_record())
        made.flush()
        assert (made.lost, made.filenos()) == (0, [])


def test_what_must_stay_open_is_told(journal: socket.socket, place: Path) -> None:
    assert journal.fileno() >= 0
    with audit(place / "log", journal=True) as made:
        file, sock = made.filenos()
        assert os.readlink(f"/proc/self/fd/{file}") == str(place / "log")
        assert stat.S_ISSOCK(os.fstat(sock).st_mode)
        assert not os.get_inheritable(file)
        assert not os.get_inheritable(sock)


def test_outcomes_are_written_as_they_are(place: Path) -> None:
    with audit(place / "log") as made:
        record = a_record()
        record.outcome = GRANTED
        made.write_now(record)
    assert json.loads((place / "log").read_text())["outcome"] == "granted"
