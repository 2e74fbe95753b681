# SPDX-License-Identifier: MIT
"""New rules and settings, all of them or none."""

import signal
import time
from pathlib import Path

import pytest

from . import slow_kind
from .broker import COMMANDS, ROOT, Files, running
from .identity import User
from .slow_kind import SlowKind
from .wire import MANAGER, Wire, call

PERSON, OTHER = User(1000), User(1001)
OPEN = """
resources:
  pty: {kind: pty}
rules:
  - {id: open, allow: pty, peer: {uid: "1000-59999"}}
"""
SHUT = """
resources:
  pty: {kind: pty}
"""
BROKEN = """
resources:
  pty: {kind: pty}
rules:
  - {id: bad, alow: pty}
"""
FAILS_ITS_TEST = f"{OPEN}tests:\n  - {{as: {{uid: 1000}}, get: pty, expect: deny}}\n"


def error_of_get(address: str) -> str:
    with Wire(address, PERSON) as wire:
        return wire.call("Get", resource="pty").error


@pytest.mark.parametrize(("loop", "by"), [("uvloop", "call"), ("asyncio", "signal")])
def test_reload(tmp_path: Path, loop: str, by: str) -> None:
    files = Files(tmp_path, OPEN)
    with running(files, COMMANDS[loop]) as broker, Wire(broker.address, PERSON) as old:

        def reload() -> dict[str, object]:
            """Reload, and return the error's parameters."""
            failure: dict[str, object] = {}
            if by == "signal":
                broker.signal(signal.SIGHUP)
            else:
                with Wire(broker.address) as wire:
                    failure = wire.call(f"{MANAGER}Reload").parameters
            before = broker.notifications.until("RELOADING")
            assert int(before["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            after = broker.notifications.next()
            assert after["READY"] == "1"
            status = broker.status()["ruleset"]
            assert ("problem" in status) == ("older rules in force" in after["STATUS"])
            return failure

        assert old.call("Get", resource="pty").error == ""
        files.write_rules(SHUT)
        assert error_of_get(broker.address) == "", "nobody has asked for a reload"
        assert reload() == {}
        assert broker.status()["ruleset"]["generation"] == 2
        assert old.call("Get", resource="pty").error == "Denied"
        for text, line in ((BROKEN, 6), (FAILS_ITS_TEST, 8), ("resources: [", 3)):
            files.write_rules(text)
            failure = reload()
            if by == "call":
                assert (failure["file"], failure["line"]) == (str(files.rules), line)
                assert isinstance(failure["column"], int)
                assert failure["column"] > 0
            status = broker.status()["ruleset"]
            assert status["generation"] == 2
            assert status["problem"].startswith(f"{files.rules}:{line}:")
            assert old.call("Get", resource="pty").error == "Denied"
        files.write_rules(OPEN)
        reload()
        assert broker.status()["ruleset"]["generation"] == 3
        assert old.call("Get", resource="pty").error == ""


def test_settings_are_read_again(tmp_path: Path) -> None:
    files = Files(tmp_path, OPEN)
    with running(files) as broker, Wire(broker.address, PERSON) as person:
        assert person.call(f"{MANAGER}Status").error == "PermissionDenied"
        files.write_settings(
            admins="{uid: 1000}", limits="{connections: 10, connections-per-uid: 1}"
        )
        with Wire(broker.address) as wire:
            assert wire.call(f"{MANAGER}Reload").error == ""
        assert person.call(f"{MANAGER}Reload").error == ""
        with Wire(broker.address, PERSON) as second:
            assert second.is_hung_up()
        files.write_settings(limits="{connections: 0}")
        failure = person.call(f"{MANAGER}Reload")
        assert failure.error == "ReloadFailed"
        assert failure.parameters["file"] == str(files.settings)
        files.write_settings(limits="{}", admins="{uid: 1001}")
        assert person.call(f"{MANAGER}Reload").error == ""
        assert person.call(f"{MANAGER}Status").error == "PermissionDenied"


def test_a_request_ends_under_the_rules_it_began_with(tmp_path: Path) -> None:
    files = Files(tmp_path, slow_kind.RULES)
    with (
        SlowKind(tmp_path) as slow,
        running(files, PYTHONPATH=f"{ROOT}:{slow.packages}") as broker,
        Wire(broker.address, PERSON) as wire,
    ):
        wire.send(call("Get", resource="slow") * 2)
        slow.wait_begun()
        files.write_rules(SHUT)
        broker.signal(signal.SIGHUP)
        broker.notifications.until("READY")
        assert broker.status()["ruleset"]["rules"] == 0
        slow.let_go()
        assert len(wire.receive().descriptors) == 1
        assert wire.receive().error == "Denied"


def test_audit_file_is_opened_again(tmp_path: Path) -> None:
    files = Files(tmp_path, OPEN)
    moved = tmp_path / "audit.jsonl.1"
    with running(files) as broker:
        error_of_get(broker.address)
        assert len(broker.records()) == 1
        files.audit.rename(moved)
        error_of_get(broker.address)
        broker.signal(signal.SIGHUP)
        broker.notifications.until("READY")
        error_of_get(broker.address)
        assert len(broker.records()) == 1
        assert moved.read_text().count("Broker.Get") == 2
        files.audit.unlink()
        files.audit.mkdir()
        with Wire(broker.address) as wire:
            failure = wire.call(f"{MANAGER}Reload")
        assert failure.error == "ReloadFailed"
        assert error_of_get(broker.address) == "", "and the file that was open is still written"
        files.audit.rmdir()
