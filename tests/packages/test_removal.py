# SPDX-License-Identifier: MIT
"""What removal and purge leave: nothing but the account, whose uid is not to be another's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.booted.machine import Machine
from tests.booted.service import SOCKET, UNIT, rule_file
from tests.booted.tree import debian_tree

from .deb import NAMES, apt

if TYPE_CHECKING:
    from .deb import Packages

pytestmark = pytest.mark.timeout(300)

FILES = (
    "find / /run -xdev"
    r" \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run/user \) -prune"
    " -o -print"
)

NOT_OURS = re.compile(
    r"/var/log/(apt/.*|dpkg.log|journal.*|alternatives.log|wtmp|lastlog)"
    "|/var/cache/(apt|ldconfig|debconf)/.*|/var/lib/(apt|dpkg|systemd|dbus)/.*"
    "|/var/tmp/systemd-private-.*"
    "|/etc/(passwd|group|shadow|gshadow)-|/etc/.pwd.lock"
    "|/run/(systemd|log|lock|dbus|varlink|credentials|utmp|adduser|initctl|udev).*"
)
"""What the tools that install and remove write for themselves, and pid 1."""

ACCOUNT = "_fdbroker"


def files(machine: Machine) -> set[str]:
    """Return the paths of all files that are not somebody else's business."""
    found = machine.run("sh", "-c", FILES).stdout.splitlines()
    return {path for path in found if "fdbroker" in path or not NOT_OURS.fullmatch(path)}


def test_removed_and_purged(packages: Packages) -> None:
    with Machine(debian_tree()) as machine:
        packages.bring(machine)
        before = files(machine)
        packages.install(machine)
        _use(machine)
        shipped = {
            path
            for name in NAMES
            for path in machine.run("dpkg", "--listfiles", name).stdout.splitlines()
        }
        apt(machine, "remove", "fdbrokerd")
        _check_removed(machine, before)
        apt(machine, "purge", *NAMES)
        _check_purged(machine, shipped, before)


def _use(machine: Machine) -> None:
    """Leave as much behind as use does: rules, a log, something that is held."""
    store = "resources: {kept: {kind: store}}\n"
    store += "rules: [{id: all, allow: kept, do: [get, put], peer: {uid: 0}}]\n"
    drop_in = "/run/systemd/system/fdbrokerd.service.d/log.conf"
    logs = {drop_in: "[Service]\nLogsDirectory=fdbrokerd\n"}
    machine.write({**rule_file(store), **logs})
    machine.systemctl("daemon-reload")
    machine.systemctl("start", UNIT)
    machine.run("sh", "-c", "fdbroker-put kept/one --fd 3 3<>/tmp/kept")
    assert int(machine.show(UNIT, "NFileDescriptorStore")) > 0
    machine.run("sh", "-c", "touch /var/log/fdbrokerd/audit.jsonl")
    machine.run("rm", "-r", drop_in.rpartition("/")[0])


def _check_removed(machine: Machine, before: set[str]) -> None:
    """Check that the administrator's files are still there, and that nothing runs."""
    for unit in (UNIT, SOCKET):
        assert machine.show(unit, "LoadState") == "not-found"
        assert machine.show(unit, "ActiveState") == "inactive"
    assert machine.run("pgrep", "-f", "/usr/bin/fdbrokerd", check=False).stdout == ""
    assert machine.run("grep", "fdbroker", "/proc/net/unix", check=False).stdout == ""
    assert machine.run("cat", "/etc/fdbrokerd/rules.d/60-test.yaml").stdout
    assert [path for path in files(machine) - before if path.startswith("/run")] == []
    assert machine.run("fdbroker-get", "pty", "--", "true", check=False).returncode == 69


def _check_purged(machine: Machine, shipped: set[str], before: set[str]) -> None:
    after = files(machine)
    assert after - before == set()
    assert before - after == set()
    assert (shipped - before) & after == set()
    assert machine.systemctl("list-unit-files", "--quiet", "fdbroker*", check=False).stdout == ""
    # A file that it made would be the next account's.
    assert machine.run("id", "-u", ACCOUNT).stdout.strip().isdigit()
