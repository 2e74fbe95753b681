# SPDX-License-Identifier: MIT
"""Every feature under its unit: what the unit alone serves, and what takes a drop-in.

Without the drop-in the same request fails, and says why: to the peer its number, to the
administrator the capability and the drop-in, before anybody asks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .service import PERSON, UNIT, rule_file, shipped_drop_in
from .store_desk import Program, ask, empty, kill, look_again, ready

if TYPE_CHECKING:
    from .machine import Machine

MEMORY_AND_STORE = """
resources:
  shared: {kind: memfd, size: 4096}
  bell: {kind: eventfd}
  line: {kind: pipe}
  slots: {kind: store}
  hostname: {kind: file, path: /etc/hostname, access: read}
rules:
  - {id: made, allow: [shared, bell, line, hostname], peer: {uid: 1000-59999}}
  - {id: held, allow: slots, do: [get, put, take, remove, list, watch], peer: {uid: 1000-59999}}
"""

STORE = """
import os, fdbrokerd
with fdbrokerd.Client() as broker, broker.watch("slots") as watch:
    with open("/tmp/put-by-a-person", "w+") as file:  # another /tmp than the daemon's
        print("machine", file=file, flush=True)
        print(broker.put("slots/one", file))
    assert "slots/one" in {item.name for item in broker.list()}
    with broker.take("slots/one") as taking:
        print(os.pread(taking.fileno("fd"), 99, 0).decode())
        taking.commit()
    print(*(next(watch).event for _ in range(2)))
"""

FILES = """
resources:
  secret: {kind: file, path: /srv/secret, access: read}
  copy: {kind: file, path: /srv/secret, access: read, deliver: snapshot}
  stream: {kind: file, path: /srv/secret, access: read, deliver: pipe}
  by-name: {kind: file, root: /srv, path: "secret-${uid}", access: read}
  home: {kind: file, root: /root, path: kept, access: read}
  log: {kind: file, path: /var/log/test.log, access: append}
  new:
    kind: file
    root: /var/log
    path: new
    access: write
    create: {mode: "0640", owner: "${user}"}
  elsewhere: {kind: file, path: /srv/secret, access: write}
rules:
  - {id: all, allow: "*", peer: {uid: 1234}}
"""
READ = ("secret", "copy", "stream", "by-name", "home")

MADE = f"""
umask 077
echo s >/srv/secret; echo s >/srv/secret-{PERSON}; echo s >/root/kept; echo begun >/var/log/test.log
chown 4321 /srv/secret /var/log/test.log
"""
UNMADE = "rm -f /srv/secret* /root/kept /var/log/test.log /var/log/new"

ROOT = """[Service]
User=
AmbientCapabilities=
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN
ProtectSystem=yes
ProtectHome=no
PrivateTmp=no
PrivateNetwork=no
PrivateDevices=no
"""
"""The unit as it was before the broker had a user of its own."""


def get(machine: Machine, resource: str) -> tuple[int, str]:
    """Return the exit status of reading a resource, and what it printed."""
    command = ("fdbroker-get", "--stdin", resource, "--", "cat")
    result = machine.run(*command, user=PERSON, check=False)
    return result.returncode, result.stdout + result.stderr


def warnings(machine: Machine) -> list[str]:
    """Return what the daemon said last of resources that it cannot open, without the places."""
    findings = json.loads(machine.run("fdbrokerctl", "doctor", "--json").stdout)
    said = [one["says"] for one in findings if one["what"] == "a resource"]
    journal = {one["MESSAGE"] for one in machine.journal(f"_SYSTEMD_UNIT={UNIT}")}
    for warning in said:
        assert f"fdbrokerd: warning: {warning}" in journal
    return [warning.split(": ", 1)[1] for warning in said]


def test_the_unit_alone_serves_terminals_memory_and_the_store(service: Machine) -> None:
    service.write(rule_file(MEMORY_AND_STORE))
    service.systemctl("reload", UNIT)
    assert warnings(service) == []
    look = 'stat -c "%u %g %a" "$(tty)"'
    pty = service.run("fdbroker-get", "pty", "--", "sh", "-c", look, user=PERSON).stdout.split()
    assert pty == [str(PERSON), "5", "620"]
    for resource in ("shared", "bell", "line"):
        command = ("fdbroker-get", resource, "--", "true")
        assert service.run(*command, user=PERSON).returncode == 0, resource
    assert get(service, "hostname") == (0, "machine\n"), "what everyone may read"
    assert service.run("python3", "-Ic", STORE, user=PERSON).stdout.split() == [
        *("slots/one", "machine", "added", "removed")
    ]
    told = json.loads(service.run("fdbrokerctl", "status", "--json").stdout)
    assert told["auditLost"] == 0
    assert told["impossible"] == []
    records = service.journal(f"_SYSTEMD_UNIT={UNIT}", f"FDBROKER_PEER_UID={PERSON}")
    assert {"Get", "Put", "Take", "Watch"} <= {
        one["FDBROKER_METHOD"].rpartition(".")[2] for one in records
    }


def test_files_of_others_take_a_drop_in(service: Machine) -> None:
    service.run("sh", "-ec", MADE)
    try:
        service.write(rule_file(FILES))
        service.systemctl("reload", UNIT)
        for resource in READ:
            failed = f"fdbroker-get: {resource} could not be opened: EACCES\n"
            assert get(service, resource) == (71, failed)
        said = warnings(service)
        for start, end in {
            "secret: uid ": "may not read /srv/secret: CAP_DAC_READ_SEARCH, "
            "drop-ins/10-files-read.conf",
            "home: uid ": "/root: CAP_DAC_READ_SEARCH, drop-ins/10-files-read.conf",
            "log: /var/log is read-only": "its unit's ReadWritePaths=",
            "new: /var/log is read-only": "its unit's ReadWritePaths=",
            "elsewhere: /srv is read-only": "its unit's ReadWritePaths=",
        }.items():
            assert any(one.startswith(start) and one.endswith(end) for one in said), (start, said)
        assert f"{len(said)} warnings" in service.show(UNIT, "StatusText")

        shipped_drop_in(service, "10-files-read.conf")
        service.systemctl("restart", UNIT)
        for resource in READ:
            assert get(service, resource) == (0, "s\n")
        append = ("fdbroker-get", "log")
        result = service.run(*append, input="more\n", user=PERSON, check=False)
        assert (result.returncode, result.stderr.split()[-1]) == (71, "EACCES")
        assert {one.split(":")[0] for one in warnings(service)} == {"log", "new", "elsewhere"}

        service.run("rm", f"/run/systemd/system/{UNIT}.d/10-files-read.conf")
        shipped_drop_in(service, "20-files-write.conf")
        service.systemctl("restart", UNIT)
        for resource in READ:
            assert get(service, resource) == (0, "s\n")
        for resource in ("log", "new"):
            service.run("fdbroker-get", resource, input=f"{resource}\n", user=PERSON)
        show = "cat /var/log/test.log; stat -c '%u %a' /var/log/new; cat /var/log/new"
        assert service.run("sh", "-c", show).stdout == f"begun\nlog\n{PERSON} 640\nnew\n"
        assert [one.partition(" is ")[0] for one in warnings(service)] == ["elsewhere: /srv"]
    finally:
        service.run("sh", "-c", UNMADE)


def test_the_program_of_a_peer_takes_a_drop_in(service: Machine) -> None:
    rules = """
resources:
  probe: {kind: file, path: /etc/hostname, access: read}
rules:
  - {id: by-exe, allow: probe, peer: {uid: 1234, exe: "/usr/bin/python3*"}}
"""
    service.write(rule_file(rules))
    refused = service.run("fdbrokerctl", "reload", check=False)
    assert (refused.returncode, "CAP_SYS_PTRACE" in refused.stderr) == (78, True)
    shipped_drop_in(service, "40-exe.conf")
    service.systemctl("restart", UNIT)
    assert get(service, "probe") == (0, "machine\n")


def test_an_audit_file_takes_a_drop_in(service: Machine) -> None:
    config = "/etc/fdbrokerd/fdbrokerd.yaml"
    before = service.run("cat", config).stdout
    service.write({config: f"{before}\naudit: {{file: /var/log/fdbrokerd/audit.log}}\n"})
    try:
        refused = service.run("fdbrokerctl", "reload", check=False)
        assert refused.returncode != 0
        shipped_drop_in(service, "50-audit-file.conf")
        service.systemctl("restart", UNIT)
        service.run("fdbroker-get", "pty", "--", "true", user=PERSON)
        service.systemctl("stop", UNIT)
        records = service.run("cat", "/var/log/fdbrokerd/audit.log").stdout.splitlines()
        assert any(json.loads(line)["resource"] == "pty" for line in records)
    finally:
        service.write({config: before})


def test_an_address_that_nobody_would_find_is_refused(sockets: Machine) -> None:
    config = "/etc/fdbrokerd/fdbrokerd.yaml"
    before = sockets.run("cat", config).stdout
    sockets.write(
        {config: f'{before}\nlisten: [{{address: "@fdbrokerd"}}, {{address: "@more"}}]\n'}
    )
    try:
        assert sockets.systemctl("start", UNIT, check=False).returncode != 0
        said = [one["MESSAGE"] for one in sockets.journal(f"_SYSTEMD_UNIT={UNIT}")]
        assert any("cannot listen at @more" in line and "ListenStream=" in line for line in said)
    finally:
        sockets.write({config: before})


def test_what_was_put_comes_along_when_the_broker_ceases_to_be_root(machine: Machine) -> None:
    """The upgrade: held by a broker that was root, found by one that is not, which goes on."""
    try:
        machine.write({f"/run/systemd/system/{UNIT}.d/root.conf": ROOT})
        machine.systemctl("daemon-reload")
        ready(machine)
        main = machine.show(UNIT, "MainPID")
        assert machine.run("stat", "-c", "%u", f"/proc/{main}/task").stdout == "0\n"
        with Program(machine, "fill", "slots/", "60") as program:
            put = program.says()["items"]
            first = ask(machine, "look", "slots")
            machine.run("rm", f"/run/systemd/system/{UNIT}.d/root.conf")
            machine.systemctl("daemon-reload")
            machine.systemctl("restart", UNIT)
            main = machine.show(UNIT, "MainPID")
            user = machine.run("id", "-u", "_fdbroker").stdout
            assert machine.run("awk", "/^Uid/ {print $2}", f"/proc/{main}/status").stdout == user
            look_again(machine, put, first)
            # The table is root's memfd: it is appended to, and read again.
            ask(machine, "put", "slots/after", "3600")
            machine.run("fdbrokerctl", "remove", "slots/after")
            kill(machine)
            machine.systemctl("daemon-reexec")
            look_again(machine, put, first)
    finally:
        empty(machine)
