# SPDX-License-Identifier: MIT
"""Facts are read where a rule asks for one, and only of peers that connect from then on."""

import os
from pathlib import Path

import pytest

from .broker import rules, running
from .daemons import command
from .peers import Role, connected

PERSON = Role(1000)
PYTHON = os.readlink("/proc/self/exe")
BY_UID = rules("id: person, allow: note, peer: {uid: 1000}")
BY_PROGRAM = rules(f"id: person, allow: note, peer: {{uid: 1000, exe: {PYTHON}}}")
BUT_FOR_A_PROGRAM = rules("id: person, allow: note, peer: {uid: 1000, not: {exe: /other}}")


@pytest.mark.parametrize("text", [BY_UID, BY_PROGRAM], ids=["uid", "exe"])
def test_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Rules by uid alone cost no look into a peer's directory in /proc."""
    log = tmp_path / "proc"
    monkeypatch.setenv("PROC_LOG", str(log))
    with (
        running(tmp_path, text, command("watched")) as broker,
        connected(broker.address, PERSON) as peer,
    ):
        assert peer.wire.gets()
        read = [line for line in log.read_text().splitlines() if line.startswith("/proc/")]
        of_peer = [line.split("/")[3] for line in read if line.split("/")[2] == str(peer.pid)]
    assert of_peer == ([] if text == BY_UID else ["cgroup", "exe", "ns"])
    assert any(line.startswith("/proc/self/fdinfo/") for line in read), "its namespace is seen"


@pytest.mark.parametrize("text", [BY_PROGRAM, BUT_FOR_A_PROGRAM], ids=["allow", "not"])
def test_who_connected_before_such_a_rule_was_there(tmp_path: Path, text: str) -> None:
    with running(tmp_path, BY_UID) as broker, connected(broker.address, PERSON) as old:
        assert old.wire.gets()
        assert broker.reload(text) == ""
        assert not old.wire.gets(), "nothing was read of it, and nothing is now"
        assert "exe" not in old.wire.who()
        with connected(broker.address, PERSON) as new:
            assert new.wire.gets()
            assert broker.reload(BY_UID) == ""
            assert new.wire.who()["exe"] == PYTHON
        assert old.wire.gets()


def test_a_rule_about_administrators_is_one_too(tmp_path: Path) -> None:
    with running(tmp_path, BY_UID) as broker:
        settings = tmp_path / "fdbrokerd.yaml"
        settings.write_text(f"{settings.read_text()}admins: {{uid: 1000, exe: {PYTHON}}}\n")
        assert broker.reload(BY_UID) == ""
        with connected(broker.address, PERSON) as peer:
            assert peer.wire.who()["exe"] == PYTHON
            assert peer.wire.call("io.fdbroker.Manager.Status").error == ""
        with connected(broker.address, Role(1000, own_pids=True)) as peer:
            assert peer.wire.call("io.fdbroker.Manager.Status").error == "PermissionDenied"
