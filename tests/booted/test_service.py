# SPDX-License-Identifier: MIT
"""fdbrokerd as a unit of a real systemd: started, found, restarted, reloaded, killed, stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .service import (
    ABSTRACT,
    EVERYBODY_PROBES,
    KNOCK,
    PATH,
    PERSON,
    SOCKET,
    UNIT,
    HungUp,
    Talker,
    drop_in,
    rule_file,
)

if TYPE_CHECKING:
    from .machine import Machine

BROKEN = """
resources:
  probe: {kind: file, pth: /etc/hostname, access: read}
"""
"""With a key that is none, in the fourth line of the file."""

MISTAKE = "/etc/fdbrokerd/rules.d/60-test.yaml:4:"


def test_starts_and_serves(sockets: Machine) -> None:
    sockets.systemctl("start", UNIT)
    assert sockets.show(UNIT, "ActiveState") == "active"
    assert sockets.show(UNIT, "StatusText")
    assert sockets.run("fdbrokerctl", "ping").returncode == 0
    assert sockets.run("fdbroker-get", "pty", "--", "tty").stdout.startswith("/dev/pts/")


@pytest.mark.parametrize("address", [ABSTRACT, PATH])
def test_the_first_client_starts_it(sockets: Machine, address: str) -> None:
    assert sockets.show(UNIT, "ActiveState") == "inactive"
    command = ("fdbroker-get", "--socket", address, "pty", "--", "sh", "-c", 'stat -c %u "$(tty)"')
    assert sockets.run(*command, user=PERSON).stdout.split() == [str(PERSON)]
    assert sockets.show(UNIT, "ActiveState") == "active"


def test_a_restart_refuses_nobody(service: Machine) -> None:
    with Talker(service) as before, Talker(service, ABSTRACT) as idle:
        assert before.call("WhoAmI") == ("", 0)
        with service.popen("python3", "-Ic", KNOCK, PATH) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "\n"
            main = service.show(UNIT, "MainPID")
            service.systemctl("restart", UNIT)
            assert service.show(UNIT, "MainPID") != main
            with Talker(service) as after:
                assert after.call("Get", resource="pty") == ("", 2)
            output, _ = process.communicate("\n")
            assert process.returncode == 0
            answered, hung_up = map(int, output.split())
            assert answered > 2
            assert hung_up <= 1
        for connection in (before, idle):
            with pytest.raises(HungUp):
                connection.call("WhoAmI")


@pytest.mark.parametrize("address", [ABSTRACT, PATH])
def test_a_reload_keeps_connections_and_changes_rules(service: Machine, address: str) -> None:
    with Talker(service, address) as client:
        assert client.call("Get", resource="probe") == ("Denied", 0)
        main = service.show(UNIT, "MainPID")
        service.write(rule_file(EVERYBODY_PROBES))
        service.systemctl("reload", UNIT)
        assert client.call("Get", resource="probe") == ("", 1)
        assert service.show(UNIT, "MainPID") == main


def test_sighup_reloads_too(service: Machine) -> None:
    with Talker(service) as client:
        service.write(rule_file(EVERYBODY_PROBES))
        service.systemctl("kill", "--kill-whom=main", "--signal=HUP", UNIT)
        while client.call("Get", resource="probe") != ("", 1):
            assert service.show(UNIT, "ActiveState") != "failed"
        assert service.show(UNIT, "NRestarts") == "0"


def test_a_broken_rule_file_fails_the_reload(service: Machine) -> None:
    service.write(rule_file(EVERYBODY_PROBES))
    service.systemctl("reload", UNIT)
    service.write(rule_file(BROKEN))
    assert service.systemctl("reload", UNIT, check=False).returncode != 0
    assert MISTAKE in service.systemctl("status", "--full", UNIT, check=False).stdout
    assert any(MISTAKE in record["MESSAGE"] for record in service.journal(f"_SYSTEMD_UNIT={UNIT}"))
    assert MISTAKE in service.run("fdbrokerctl", "status").stdout
    assert service.show(UNIT, "ActiveState") == "active"
    assert service.run("fdbroker-get", "probe").stdout == "machine\n"
    service.write(rule_file(EVERYBODY_PROBES))
    service.systemctl("reload", UNIT)
    assert MISTAKE not in service.run("fdbrokerctl", "status").stdout


def test_a_broken_rule_file_fails_the_start_until_it_is_mended(sockets: Machine) -> None:
    sockets.write(rule_file(BROKEN))
    assert sockets.systemctl("start", UNIT, check=False).returncode != 0
    records = sockets.wait_for_journal(f"_SYSTEMD_UNIT={UNIT}", "SYSLOG_IDENTIFIER=fdbrokerd")
    assert any(MISTAKE in record["MESSAGE"] for record in sockets.journal(f"_SYSTEMD_UNIT={UNIT}"))
    assert records
    sockets.write(rule_file(EVERYBODY_PROBES))
    # It waits in the socket's queue for the next try.
    assert sockets.run("fdbroker-get", "probe").stdout == "machine\n"


def test_a_sandbox_that_filters_openat2_is_refused(sockets: Machine) -> None:
    drop_in(sockets, "RestrictSUIDSGID=yes")
    assert sockets.systemctl("start", UNIT, check=False).returncode != 0
    journal = sockets.journal(f"_SYSTEMD_UNIT={UNIT}")
    assert any("openat2" in record["MESSAGE"] for record in journal)


def test_killed_it_is_started_again(service: Machine) -> None:
    main = service.show(UNIT, "MainPID")
    service.systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
    assert service.run("fdbroker-get", "pty", "--", "tty").stdout.startswith("/dev/pts/")
    assert service.show(UNIT, "MainPID") != main
    assert service.show(UNIT, "NRestarts") == "1"


def test_failing_for_ever_it_keeps_its_addresses(sockets: Machine) -> None:
    # systemd's own limit is five starts in ten seconds, and would fail the socket too.
    drop_in(sockets, "ExecStart=\nExecStart=/bin/false\nRestartSec=1ms\nRestartSteps=0")
    sockets.systemctl("start", UNIT, check=False)
    while int(sockets.show(UNIT, "NRestarts")) < 8:
        pass
    assert sockets.show(SOCKET, "ActiveState") == "active"
    for address in (PATH, ABSTRACT):
        with Talker(sockets, address):
            pass


def test_stuck_it_is_started_again(sockets: Machine) -> None:
    drop_in(sockets, "WatchdogSec=500ms")
    sockets.systemctl("start", UNIT)
    main = sockets.show(UNIT, "MainPID")
    sockets.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)
    # Asked while it is stuck, answered by its successor.
    assert sockets.run("fdbroker-get", "pty", "--", "tty").stdout.startswith("/dev/pts/")
    assert sockets.show(UNIT, "MainPID") != main
    journal = sockets.journal("_PID=1", f"UNIT={UNIT}")
    assert any("Watchdog timeout" in record["MESSAGE"] for record in journal)


def test_alive_it_is_left_alone_by_the_watchdog(sockets: Machine) -> None:
    drop_in(sockets, "WatchdogSec=200ms")
    sockets.systemctl("start", UNIT)
    first = sockets.show(UNIT, "WatchdogTimestampMonotonic")
    # Several periods pass while this asks.
    seen = {first}
    while len(seen) < 6:
        seen.add(sockets.show(UNIT, "WatchdogTimestampMonotonic"))
        assert sockets.show(UNIT, "ActiveState") == "active"
    assert sockets.show(UNIT, "NRestarts") == "0"


def test_stop_finishes_the_request_in_hand(service: Machine) -> None:
    service.write(
        rule_file(
            """
resources:
  stream: {kind: file, path: /etc/hostname, access: read, deliver: snapshot, max-size: 1M}
rules:
  - {id: all, allow: stream, peer: {uid: 0}}
"""
        )
    )
    service.systemctl("reload", UNIT)
    with Talker(service) as client, Talker(service) as other:
        assert client.call("Get", resource="stream") == ("", 1)
        # Large snapshots are taken in a child, which then waits for the next one.
        main = service.show(UNIT, "MainPID")
        child = service.run("sh", "-c", f"pgrep -P $(pgrep -P {main})").stdout.strip()
        service.run("kill", "-STOP", child)
        client.ask("Get", resource="stream")
        # Answered one after the other: by now the one before is in hand.
        assert other.call("WhoAmI") == ("", 0)
        service.systemctl("stop", "--no-block", UNIT)
        while service.show(UNIT, "ActiveState") == "active":
            pass
        service.run("kill", "-CONT", child)
        assert client.answer() == ("", 1)
        with pytest.raises(HungUp):
            client.call("WhoAmI")
    service.systemctl("stop", UNIT)
    assert service.show(UNIT, "Result") == "success"


def test_stop_hangs_up_on_who_asks_nothing(service: Machine) -> None:
    with Talker(service) as idle, Talker(service, ABSTRACT) as used:
        assert used.call("WhoAmI") == ("", 0)
        # Far below TimeoutStopSec=, at which systemd would kill it.
        service.run("systemctl", "stop", UNIT, timeout=5)
        for connection in (idle, used):
            with pytest.raises(HungUp):
                connection.call("WhoAmI")
    assert service.show(UNIT, "Result") == "success"


def test_stopped_sockets_are_gone(service: Machine) -> None:
    service.systemctl("stop", SOCKET)
    assert service.show(UNIT, "ActiveState") == "inactive"
    assert service.run("fdbroker-get", "pty", "--", "true", check=False).returncode == 69
    assert (
        service.run("find", "/run/fdbrokerd", "/run/varlink/registry", "-type", "s,l").stdout == ""
    )
