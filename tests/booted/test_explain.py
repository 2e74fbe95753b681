# SPDX-License-Identifier: MIT
"""What administrators of a real system are told: what can be known, and why it was denied."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from .service import PERSON, SOCKET, UNIT, restore, rule_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machine import Machine

RULES = """
resources:
  key:
    kind: file
    root: /etc
    path: "${part}"
    access: read
    arguments: {part: {enum: [hostname, passwd], default: hostname}}
rules:
  - {id: mail-reads, allow: key, peer: {unit: mail.service}}
  - {id: not-passwords, deny: key, with: {part: passwd}, hint: Nobody gets those.}
"""

IN_MAIL = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--unit=mail.service")


@pytest.fixture(scope="module")
def ruled(machine: Machine) -> Iterator[Machine]:
    """Return the machine with the service running under a rule about a unit."""
    machine.write(rule_file(RULES))
    machine.systemctl("start", SOCKET, UNIT)
    yield machine
    restore(machine)


def explain(machine: Machine, *options: str) -> tuple[int, str]:
    """Return the exit status and the text of an explanation that root asks for."""
    result = machine.run("fdbrokerctl", "explain", *options, check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout


def test_doctor(ruled: Machine) -> None:
    """The unit may not trace, so a peer's program is not to be seen; where it is, is."""
    findings = json.loads(ruled.run("fdbrokerctl", "doctor", "--json").stdout)
    found = {one["what"]: one for one in findings}
    for key in ("unit", "user-unit", "slice", "cgroup", "container"):
        assert found[f"rules by {key}"]["there"], key
    assert not found["rules by exe"]["there"]
    assert found["rules by exe"]["says"].endswith("(CAP_SYS_PTRACE)")
    assert found["rules by exe"]["says"] != found["rules by unit"]["says"]
    assert found["openat2"]["there"]


def test_rule_that_can_never_hold_under_this_unit(ruled: Machine) -> None:
    bad = "rules:\n  - {id: by-program, allow: key, peer: {unit: a.service, exe: /bin/a}}\n"
    ruled.write(rule_file(bad, "70-program"))
    try:
        assert ruled.systemctl("reload", UNIT, check=False).returncode != 0
        result = ruled.run("fdbrokerctl", "reload", check=False)
        place = "/etc/fdbrokerd/rules.d/70-program.yaml:3:5"
        reason = f"{place}: by-program: exe cannot be determined here: "
        assert result.returncode == 78
        assert reason in result.stderr
        assert reason in ruled.show(UNIT, "StatusText")
        assert ruled.run(*IN_MAIL, "fdbroker-get", "key").stdout == "machine\n"
    finally:
        ruled.run("rm", "/etc/fdbrokerd/rules.d/70-program.yaml")
        ruled.systemctl("reload", UNIT)
    assert "older rules" not in ruled.show(UNIT, "StatusText")


def test_explain_as(ruled: Machine) -> None:
    status, text = explain(ruled, "key", "--as", "unit=mail.service")
    assert status == 0
    assert "=> allowed by mail-reads" in text
    status, text = explain(ruled, "key", "part=passwd", "--as", "user=root,unit=mail.service")
    assert status == 77
    assert "=> denied by not-passwords" in text
    status, text = explain(ruled, "key", "--as", f"uid={PERSON},unit=web.service")
    assert status == 77
    assert "mail.service" in text
    assert "web.service" in text


def test_explain_pid(ruled: Machine) -> None:
    ruled.run(*IN_MAIL[:2], "--collect", "--unit=mail.service", "sleep", "infinity")
    pid = ruled.show("mail.service", "MainPID")
    status, text = explain(ruled, "key", "--pid", pid)
    ruled.systemctl("stop", "mail.service")
    assert status == 0
    assert "unit mail.service" in text
    status, text = explain(ruled, "key", "--pid", "1")
    assert status == 77
    assert "unit init.scope" in text
    gone = ruled.run("fdbrokerctl", "explain", "key", "--pid", "4194303", check=False)
    assert gone.returncode == 66
    assert "no process 4194303" in gone.stderr


def test_explain_request(ruled: Machine) -> None:
    denied = ruled.run("fdbroker-get", "key", check=False, user=PERSON)
    assert denied.returncode == 77
    found = re.search(r"\b[0-9a-f]{8}-[0-9a-f]+\b", denied.stderr)
    assert found, denied.stderr
    status, text = explain(ruled, "--request", found[0])
    assert status == 77
    assert f"uid {PERSON}" in text
    assert "mail-reads" in text
    assert "mail.service" in text
    ruled.systemctl("reload", UNIT)
    assert "no longer in force" in explain(ruled, "--request", found[0])[1]
    unknown = ruled.run("fdbrokerctl", "explain", "--request", "00000000-1", check=False)
    assert unknown.returncode == 66


def test_explain_is_for_administrators(ruled: Machine) -> None:
    """About oneself everybody may ask, and is told no rule that is about others."""
    for options in (("key", "--as", "uid=0"), ("key", "--pid", "1"), ("--request", "0-1")):
        result = ruled.run("fdbrokerctl", "explain", *options, check=False, user=PERSON)
        assert result.returncode == 77, options
        assert "mail" not in result.stdout + result.stderr
    own = ruled.run("fdbrokerctl", "explain", "key", check=False, user=PERSON)
    assert (own.returncode, own.stdout) == (77, "denied: no rule allows this\n")


def test_journal(ruled: Machine) -> None:
    asks = ("fdbroker-get key >/dev/null", "fdbroker-get key part=passwd")
    become = ("setpriv", "--reuid=4545", "--regid=4545", "--clear-groups", "--")
    result = ruled.run(*IN_MAIL, *become, "sh", "-c", "; ".join(asks), check=False)
    assert result.returncode == 77, result
    matches = (f"_SYSTEMD_UNIT={UNIT}", "FDBROKER_PEER_UID=4545", "FDBROKER_RESOURCE=key")
    granted, denied = ruled.wait_for_journal(*matches, count=2)
    assert (granted["FDBROKER_VERDICT"], granted["FDBROKER_RULE"]) == ("allow", "mail-reads")
    assert (denied["FDBROKER_VERDICT"], denied["FDBROKER_RULE"]) == ("deny", "not-passwords")
    assert denied["FDBROKER_OUTCOME"] == "denied"
    assert denied["FDBROKER_ARGUMENTS"] == '{"part":"passwd"}'
    assert denied["FDBROKER_PEER_GID"] == denied["FDBROKER_PEER_UID"] == "4545"
    assert int(denied["FDBROKER_PEER_PID"]) > 1
    status, text = explain(ruled, "--request", denied["FDBROKER_REQUEST"])
    assert status == 77
    assert "=> denied by not-passwords" in text
