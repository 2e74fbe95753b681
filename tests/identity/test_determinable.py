# SPDX-License-Identifier: MIT
"""A rule that asks for what can never be known here is a mistake, told when it is loaded."""

from pathlib import Path

import pytest

from fdbrokerd.cli.service import load_files
from fdbrokerd.determinable import undeterminable
from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.facts import KEYS

from .broker import MANAGER, refused, rules, running, settings
from .daemons import command
from .peers import Role, connected
from .wire import connect

PERSON = Role(1000)
VALUES = {"unit": "a.service", "user-unit": "a.service", "slice": "a.slice", "cgroup": "/a"}
VALUES |= {"container": "'*'", "label": "a", "exe": "/a"}
BY_UID = rules("id: person, allow: note, peer: {uid: 1000}")


def with_keys(*keys: str) -> str:
    """Return rules with one for each key."""
    lines = [
        f"id: by-{key}, allow: note, peer: {{uid: 1000, {key}: {VALUES[key]}}}" for key in keys
    ]
    return rules("id: person, allow: note, peer: {uid: 1001}", *lines)


def test_every_key_that_cannot_be_determined_here(tmp_path: Path) -> None:
    config = str(settings(tmp_path, with_keys(*KEYS)))
    reasons = undeterminable()
    said = []
    try:
        load_files(config)
    except ConfigurationError as error:
        said = [str(mistake) for mistake in error.mistakes]
    file = tmp_path / "rules" / "rules.yaml"
    assert said == [
        f"{file}:{6 + number}:5: by-{key}: {key} cannot be determined here: {reasons[key]}"
        for number, key in enumerate(KEYS)
        if key in reasons
    ]


@pytest.mark.parametrize("key", ["cgroup", "exe"])
def test_kernel_without_pidfds_of_peers(tmp_path: Path, key: str) -> None:
    said = refused(tmp_path, with_keys(key), command("old-kernel"))
    assert f"by-{key}: {key} cannot be determined here: this kernel does not pin peers" in said


def test_proc_of_another_pid_namespace(tmp_path: Path) -> None:
    """There another process has the peer's number."""
    said = refused(tmp_path, with_keys("exe"), ("unshare", "--pid", "--fork", *command()))
    assert "by-exe: exe cannot be determined here: /proc is that of another pid namespace" in said


def test_such_a_kernel_serves_by_uid(tmp_path: Path) -> None:
    with running(tmp_path, BY_UID, command("old-kernel")) as broker:
        assert set(broker.status()["undeterminable"]) == set(KEYS)
        with connected(broker.address, PERSON) as peer:
            assert peer.wire.gets()
            broker.write_rules(with_keys("exe"))
            with connect(broker.address) as root:
                reply = root.call(f"{MANAGER}Reload")
            assert (reply.error, reply.parameters["line"]) == ("ReloadFailed", 6)
            assert "SO_PEERPIDFD" in reply.parameters["message"]
            assert peer.wire.gets(), "the older rules are in force"
        with connected(broker.address, Role(1000, own_pids=True)) as peer:
            assert not peer.wire.gets()


def test_without_the_capability_to_trace(tmp_path: Path) -> None:
    drop = ("setpriv", "--bounding-set=-sys_ptrace", "--")
    said = refused(tmp_path, with_keys("exe"), (*drop, *command()))
    assert said.endswith("(CAP_SYS_PTRACE)\n")


@pytest.mark.parametrize("circumstances", [(), ("old-kernel",)])
def test_administrators(tmp_path: Path, circumstances: tuple[str, ...]) -> None:
    """Who may manage is asked by the same keys."""
    with running(tmp_path, BY_UID, command(*circumstances)) as broker:
        config = tmp_path / "fdbrokerd.yaml"
        for key in KEYS:
            text = config.read_text()
            config.write_text(f"{text}admins: {{uid: 1000, {key}: {VALUES[key]}}}\n")
            told = broker.reload(BY_UID)
            determined = key not in broker.status()["undeterminable"]
            assert told.startswith("" if determined else f"admins: {key} cannot be determined")
            assert bool(told) is not determined
            config.write_text(text)
