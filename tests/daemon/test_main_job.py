# SPDX-License-Identifier: MIT
"""A peer gets a pty pair or a file because a rule says so, and nothing else."""

import os
import re
import stat
import sys

import pytest

from tests import needs

from .broker import RunningBroker
from .identity import User
from .programs import run
from .wire import Wire

USERS = {"root": User(0), "a person": User(1000), "another": User(59999, gid=5)}
STRANGER = User(70000)


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
def test_pty_pair(broker: RunningBroker, user: User) -> None:
    with Wire(broker.address, user) as wire:
        reply = wire.call("Get", resource="pty", arguments={"preset": "raw", "rows": "50"})
        master, slave = reply.descriptor("master"), reply.descriptor("slave")
        os.write(slave, b"hello\n")
        assert os.read(master, 100) == b"hello\n"
        assert os.ttyname(slave) == reply.parameters["properties"]["path"]
        assert os.get_terminal_size(slave).lines == 50
        status = os.fstat(slave)
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (user.uid, 0o620)
    (record,) = broker.records()
    assert (record["outcome"], record["descriptors"]) == ("granted", 2)
    assert (record["peer"]["uid"], record["rules"]) == (user.uid, ["everybody"])


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
def test_files(broker: RunningBroker, user: User) -> None:
    with Wire(broker.address, user) as wire:
        note = wire.call("Get", resource="note").descriptor("file")
        assert os.read(note, 100) == b"a note\n"
        again = wire.call("Get", resource="note").descriptor("file")
        assert os.read(again, 100) == b"a note\n", "the offset is shared with an earlier grant"
        log = wire.call("Get", resource="own").descriptor("file")
        os.write(log, b"line\n")
    written = broker.files.directory / f"log-{user.uid}"
    assert written.read_text().endswith("line\n")
    assert (written.stat().st_uid, stat.S_IMODE(written.stat().st_mode)) == (user.uid, 0o640)


def test_path_listener(broker: RunningBroker) -> None:
    assert stat.S_IMODE(os.stat(broker.files.path).st_mode) == 0o666
    with Wire(broker.files.path) as wire:
        assert len(wire.call("Get", resource="pty", count=3).descriptors) == 6


def test_process_of_another_user(broker: RunningBroker) -> None:
    command = [needs.need_tool("setpriv"), "--reuid=1234", "--regid=1234", "--clear-groups"]
    command += [sys.executable, "-m", "fdbrokerd.cli.get", "--json", "pty"]
    done = run(command=command, FDBROKER_SOCKET=broker.address)
    if done.returncode == 126:
        needs.cannot("another user cannot run this Python: it is in a directory of root's")
    assert (done.returncode, done.stderr) == (0, "")
    assert broker.records()[0]["peer"]["uid"] == 1234


@pytest.mark.parametrize(
    ("resource", "hint"),
    [
        ("secret", None),
        ("pty", None),
        ("hinted", "Ask the administrator."),
        ("no-such-thing", None),
        ("../../etc/shadow", None),
    ],
)
def test_denial(broker: RunningBroker, resource: str, hint: str | None) -> None:
    with Wire(broker.address, STRANGER) as wire:
        reply = wire.call("Get", resource=resource)
        assert reply.error == "Denied"
        (record,) = broker.records()
        expected = {"resource": resource, "request": record["request"]}
        assert reply.parameters == expected | ({"hint": hint} if hint else {})
        assert (record["outcome"], record["verdict"]) == ("denied", "deny")
        assert (record["resource"], record["descriptors"]) == (resource, 0)
        assert wire.is_served()


@pytest.mark.parametrize("arguments", [None, {}, {"name": "a"}, {"name": "wrong"}, {"x": "y"}])
@pytest.mark.parametrize("method", ["Get", "Explain"])
def test_unknown_looks_like_refused(
    broker: RunningBroker, method: str, arguments: dict[str, str] | None
) -> None:
    answers = set()
    for resource in ("part", "trap"):
        with Wire(broker.address, STRANGER) as wire:
            raw = wire.call(method, resource=resource, arguments=arguments).raw
        raw = raw.replace(resource.encode(), b"NAME")
        answers.add(re.sub(rb'"request":"[0-9a-f-]+"', b'"request":"ID"', raw))
    assert len(answers) == 1


def test_invalid_argument_only_to_who_may(broker: RunningBroker) -> None:
    with Wire(broker.address, User(1000)) as wire:
        reply = wire.call("Get", resource="part", arguments={"name": "wrong"})
        assert (reply.error, reply.parameters["argument"]) == ("InvalidArgument", "name")
        failed = wire.call("Get", resource="part", arguments={"name": "b"})
        assert failed.error == "OpenFailed"
        assert failed.parameters == {"resource": "part", "errno": 2, "errnoName": "ENOENT"}
        assert str(broker.files.directory).encode() not in failed.raw
        assert wire.call("Get", resource="part", arguments={"name": "a"}).error == ""


@pytest.mark.parametrize(
    ("user", "error"),
    [
        (User(70000, groups=[9, 4242]), ""),
        (User(70000, gid=4242), ""),
        (User(70000, groups=[4241, 4243]), "Denied"),
        (User(1000), "Denied"),
        (User(0), "Denied"),
        (User(70000, groups=range(4000, 4256)), ""),
    ],
    ids=["supplementary", "primary", "others", "person", "root", "256 groups"],
)
def test_groups(broker: RunningBroker, user: User, error: str) -> None:
    with Wire(broker.address, user) as wire:
        assert wire.call("Get", resource="staff").error == error


def test_too_many_groups_to_be_told_of(broker: RunningBroker) -> None:
    with Wire(broker.address, User(70000, groups=range(4000, 4257))) as wire:
        assert wire.is_hung_up()
    (record,) = broker.records()
    assert (record["outcome"], record["peer"]) == ("hung-up", None)
    assert "who the peer is" in record["detail"]
