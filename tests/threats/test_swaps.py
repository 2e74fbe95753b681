# SPDX-License-Identifier: MIT
"""What is swapped between the look and the hand-over: not one wrong descriptor.

tools/soak-paths runs it for longer, and prints what was tried.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.broker import Files, RunningBroker, running
from tests.daemon.identity import User
from tests.daemon.wire import Reply, Wire, call

from .swapping import SECRET, THEIRS, USER, laid_out, swapping

ROUNDS = int(os.environ.get("FDBROKER_ROUNDS", "3000"))
"""Requests. In CI a few seconds."""

IN_A_ROW = 50
"""Requests for one resource before the next one is asked for."""

PEER = User(61235)
RESOURCES = ("read", "write", "way", "new", "child")
RULES = """
resources:
  read: {kind: file, root: $DIR/root, path: theirs/name, access: read}
  write: {kind: file, root: $DIR/root, path: theirs/name, access: append}
  way: {kind: file, root: $DIR/root, path: theirs/way/file, access: read}
  new: {kind: file, root: $DIR/root, path: theirs/new, access: append, create: $CREATE}
  child: {kind: file, root: $DIR/root, path: theirs/name, access: read, deliver: snapshot}
rules:
  - {id: all, allow: "*", peer: {uid: ["61234-61235"]}}
""".replace("$CREATE", '{mode: "0600", owner: "${user}"}')

REFUSALS = {"ENOENT", "EACCES", "ELOOP", "EXDEV", "EBADFD", "ENXIO", "EEXIST", "EISDIR", "EAGAIN"}


@pytest.fixture
def attacked(place: Path) -> Iterator[RunningBroker]:
    """Run a daemon whose files are swapped."""
    root = laid_out(place)
    with running(Files(place, RULES)) as broker, swapping(root):
        yield broker


def outcome(reply: Reply, resource: str, secrets: set[int]) -> str:
    """Judge what came; return what is counted."""
    if reply.error == "Busy":
        return reply.error
    if reply.error:
        assert reply.error == "OpenFailed", reply.raw
        name = str(reply.parameters["errnoName"])
        assert name in REFUSALS, reply.raw
        return name
    (number,) = reply.descriptors
    status = os.fstat(number)
    assert status.st_ino not in secrets
    assert stat.S_ISREG(status.st_mode)
    if resource == "child":
        assert SECRET not in os.pread(number, 99, 0)
    elif resource == "new":
        assert (status.st_uid, status.st_size) == (PEER.uid, 0)
    else:
        assert status.st_uid == USER
        assert status.st_size in {0, len(THEIRS)}, "it was just made, or written"
    return "given"


@pytest.mark.timeout(max(60, ROUNDS // 500))
def test_not_one_wrong_descriptor(attacked: RunningBroker) -> None:
    place = attacked.files.directory
    secrets = {os.stat(place / one).st_ino for one in ("secret", "outside/file")}
    told: dict[str, Counter[str]] = {resource: Counter() for resource in RESOURCES}
    with Wire(attacked.address, PEER) as wire:
        wire.call("Get", resource="child")  # the child stays, for the next one
    before = attacked.descriptors()
    with Wire(attacked.address, PEER) as wire:
        for start in range(0, ROUNDS, IN_A_ROW):
            resource = RESOURCES[start // IN_A_ROW % len(RESOURCES)]
            for _ in range(IN_A_ROW):
                wire.send(call("Get", resource=resource))
                told[resource][outcome(wire.receive(), resource, secrets)] += 1
                wire.close_descriptors()
    for resource, counts in told.items():
        print(f"{resource}: {', '.join(f'{name} {n}' for name, n in counts.most_common())}")
        assert len(counts) > 1, f"there was no race for {resource}"
        assert counts["given"], f"{resource} was never given"
    print(f"{sum(one.total() for one in told.values())} requests, 0 wrong descriptors")
    assert (place / "secret").read_bytes() == SECRET
    assert (place / "outside" / "file").read_bytes() == SECRET
    assert not (place / "made").exists(), "a dangling link led out of the root"
    assert attacked.descriptors() == before
