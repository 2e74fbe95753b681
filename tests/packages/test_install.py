# SPDX-License-Identifier: MIT
"""What a fresh Debian 13 has after `apt install`, and who gets what from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.booted.project import REPOSITORY
from tests.booted.service import PATH, SOCKET, UNIT, rule_file

from .deb import NAMES, readme

if TYPE_CHECKING:
    from tests.booted.machine import Machine

pytestmark = pytest.mark.timeout(300)  # the first of them builds the packages

ALICE = "alice"
"""A person; her uid is what useradd gave her."""

EVERYBODY = """
resources:
  hostname: {kind: file, path: /etc/hostname, access: read}
  notes: {kind: store}
rules:
  - {id: hostname, allow: hostname, peer: {uid: "0-65533"}}
  - {id: notes, allow: notes, do: [get, put, take, list], peer: {uid: "0-65533"}}
"""

ROUND_TRIP = """
echo "of $(id -u)" >"$1"
fdbroker-put "notes/$2" --fd 3 3<"$1"
rm "$1"
fdbroker-get "notes/$2" --stdin -- cat
fdbroker-get --take "notes/$2" --fd 3 -- true
fdbroker-get "notes/$2" --fd 3 -- true || test $? = 66
"""

DYNAMIC = (
    "systemd-run",
    "--quiet",
    "--wait",
    "--pipe",
    "--property=DynamicUser=yes",
    "--property=PrivateTmp=yes",
)


@pytest.fixture(scope="module", autouse=True)
def people(installed: Machine) -> None:
    """Add a person, and a user for services, as an administrator would."""
    installed.run("useradd", ALICE)
    installed.run("useradd", "--system", "worker")


def test_installed_it_listens_and_has_not_started(installed: Machine) -> None:
    assert installed.show(SOCKET, "ActiveState") == "active"
    assert installed.systemctl("is-enabled", SOCKET).stdout.strip() == "enabled"
    assert installed.show(UNIT, "ActiveState") == "inactive"
    assert installed.run("dpkg", "--audit").stdout == ""
    assert installed.run("dpkg", "--verify", *NAMES).stdout == ""


def test_it_starts_as_the_readme_says(installed: Machine) -> None:
    start, get = readme()[1:]
    installed.run("sh", "-euc", start)
    assert installed.show(UNIT, "ActiveState") == "active"
    assert installed.run("sh", "-euc", get).stdout.startswith("/dev/pts/")
    assert installed.run("fdbrokerctl", "ping").returncode == 0


def test_the_units_are_understood(installed: Machine) -> None:
    # Not of the manual pages: there is no man(1) here.
    result = installed.run("systemd-analyze", "verify", "--man=no", UNIT, SOCKET)
    complaints = (result.stdout + result.stderr).splitlines()
    newer = "Unknown key 'AcceptFileDescriptors' in section [Socket], ignoring."
    assert [line for line in complaints if newer not in line] == []


def test_people_get_a_terminal_and_nothing_else(installed: Machine) -> None:
    command = ("fdbroker-get", "pty", "--", "sh", "-c", 'stat -c %U "$(tty)"')
    assert installed.run(*command, user=ALICE).stdout.split() == [ALICE]
    listed = installed.run("fdbrokerctl", "list", user=ALICE).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["NAME", "pty"]
    assert installed.run("fdbroker-get", "hostname", user=ALICE, check=False).returncode == 77


def test_services_get_nothing(installed: Machine) -> None:
    get = ("fdbroker-get", "pty", "--", "true")
    assert installed.run(*get, user="worker", check=False).returncode == 77
    assert installed.run(*DYNAMIC, *get, check=False).returncode == 77


def test_what_rules_allow_everybody_gets(installed: Machine) -> None:
    installed.write(rule_file(EVERYBODY))
    installed.systemctl("reload", "fdbrokerd")
    hostname = installed.run("cat", "/etc/hostname").stdout
    for number, user in enumerate((ALICE, "worker")):
        assert installed.run("fdbroker-get", "hostname", user=user).stdout == hostname
        uid = installed.run("id", "-u", user).stdout.strip()
        trip = ("sh", "-euc", ROUND_TRIP, "sh", f"/tmp/note{number}", f"of-{user}")
        assert installed.run(*trip, user=user).stdout == f"of {uid}\n"
    assert installed.run(*DYNAMIC, "fdbroker-get", "hostname").stdout == hostname
    kept = installed.run(*DYNAMIC, "sh", "-euc", ROUND_TRIP, "sh", "/tmp/note", "of-service")
    assert 61184 <= int(kept.stdout.split()[1]) <= 65519


@pytest.mark.parametrize("test", ["shipped-rules", "private-broker", "service"])
def test_autopkgtest(installed: Machine, test: str) -> None:
    text = (REPOSITORY / "packaging/debian/tests" / test).read_text()
    script = 'd=$(mktemp -d); cat >"$d/test"; chmod +x "$d/test"; AUTOPKGTEST_TMP=$d "$d/test"'
    installed.run("sh", "-euc", script, input=text)


def test_the_clients_start_without_site(installed: Machine) -> None:
    loaded = installed.run(
        "/usr/bin/python3", "-ISX", "importtime", "/usr/bin/fdbroker-get", "--version"
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
    assert "fdbrokerd.cli.get" in modules
    assert not modules & {"site", "os", "re", "argparse", "json", "socket"}


def test_varlink_tools_find_it(installed: Machine) -> None:
    told = installed.run("varlinkctl", "info", f"unix:{PATH}").stdout
    assert "Product: fdbrokerd" in told
