# SPDX-License-Identifier: MIT
"""What clients of the unit get, whoever they are, and what the journal says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .service import ABSTRACT, EVERYBODY_PROBES, PATH, PERSON, SOCKET, UNIT, rule_file

if TYPE_CHECKING:
    from .machine import Machine


def test_a_client_with_a_dynamic_user(service: Machine) -> None:
    run = ("systemd-run", "--quiet", "--wait", "--pipe", "--property=DynamicUser=yes")
    get = ("fdbroker-get", "probe")
    denied = service.run(*run, *get, check=False)
    assert denied.returncode == 77
    service.write(rule_file(EVERYBODY_PROBES))
    service.systemctl("reload", UNIT)
    assert service.run(*run, *get).stdout == "machine\n"


def test_what_was_granted_outlives_the_daemon(service: Machine) -> None:
    get = ("fdbroker-get", "pty", "preset=raw", "--", "sh", "-c", "echo up; cat")
    with service.popen(*get) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "up"
        service.systemctl("stop", UNIT, SOCKET)
        process.stdin.write("still here\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "still here"
        process.kill()


def test_the_journal_holds_every_request(service: Machine) -> None:
    uid = 5432  # nobody else in this machine asks as this user
    service.run("fdbroker-get", "pty", "rows=24", "--", "true", user=uid)
    service.run("fdbroker-get", "nothing", check=False, user=uid)
    granted, denied = service.wait_for_journal(
        f"_SYSTEMD_UNIT={UNIT}",
        f"FDBROKER_PEER_UID={uid}",
        "FDBROKER_METHOD=io.fdbroker.Broker.Get",
        count=2,
    )
    assert granted["MESSAGE_ID"] == denied["MESSAGE_ID"]
    assert granted["_PID"] == service.show(UNIT, "MainPID")
    assert granted["FDBROKER_OUTCOME"] == "granted"
    assert granted["FDBROKER_RESOURCE"] == "pty"
    assert granted["FDBROKER_ARGUMENTS"] == '{"rows":"24"}'
    assert granted["FDBROKER_VERDICT"] == "allow"
    assert granted["FDBROKER_DESCRIPTORS"] == "2"
    assert denied["FDBROKER_OUTCOME"] == "denied"
    assert denied["FDBROKER_RESOURCE"] == "nothing"
    assert denied["FDBROKER_REQUEST"] != granted["FDBROKER_REQUEST"]
    assert denied["FDBROKER_REQUEST"] in service.run("journalctl", "-o", "json").stdout


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "address",
    [
        f"unix:{ABSTRACT}",
        f"unix:{PATH}",
        "/run/varlink/registry/io.fdbroker.Broker",
        "/usr/bin/fdbrokerd",
    ],
)
def test_varlinkctl_finds_its_way(machine: Machine, address: str) -> None:
    listed = machine.run("varlinkctl", "list-interfaces", address).stdout.split()
    assert sorted(listed) == ["io.fdbroker.Broker", "io.fdbroker.Manager", "org.varlink.service"]


def test_varlinkctl_reads_the_interfaces(service: Machine) -> None:
    address = f"unix:{ABSTRACT}"
    assert "Product: fdbrokerd" in service.run("varlinkctl", "info", address).stdout
    for interface in ("io.fdbroker.Broker", "io.fdbroker.Manager"):
        idl = service.run("varlinkctl", "introspect", address, interface).stdout
        assert f"interface {interface}" in idl
        service.run("varlinkctl", "validate-idl", input=idl)


def test_varlinkctl_calls(service: Machine) -> None:
    call = ("varlinkctl", "--json=short", "call", f"unix:{ABSTRACT}")
    whoami = service.run(*call, "io.fdbroker.Broker.WhoAmI", "{}", user=PERSON).stdout
    assert f'"uid":{PERSON}' in whoami
    got = service.run(*call, "io.fdbroker.Broker.Get", '{"resource":"pty"}').stdout
    assert '"kind":"pty"' in got
    denied = service.run(*call, "io.fdbroker.Broker.Get", '{"resource":"nothing"}', check=False)
    assert denied.returncode == 1
    assert "io.fdbroker.Broker.Denied" in denied.stderr
