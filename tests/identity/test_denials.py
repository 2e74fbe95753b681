# SPDX-License-Identifier: MIT
"""Why something was denied, asked afterwards by the id that the peer was told."""

from pathlib import Path

import pytest

from fdbrokerd.denials import MAX_DENIALS_PER_UID

from .broker import MANAGER, NOTE, Broker, rules, running
from .peers import Role, connected
from .wire import Reply, connect

PERSON = Role(1000)
RULES = rules(
    "id: person, allow: [note, elsewhere], peer: {uid: 1000}",
    resources=(NOTE, NOTE.replace("note", "elsewhere")),
)


def denied(broker: Broker, role: Role, resource: str) -> str:
    """Have a peer ask and be denied; return the id of the request."""
    with connected(broker.address, role) as peer:
        reply = peer.wire.call("Get", resource=resource)
    assert reply.error == "Denied"
    return str(reply.parameters["request"])


def explain(broker: Broker, request: str) -> Reply:
    """Ask as root for the reasons."""
    with connect(broker.address) as root:
        return root.call(f"{MANAGER}Explain", request=request)


def test_at_a_listener_that_does_not_serve_it(tmp_path: Path) -> None:
    """The rules allow it, and say so; the verdict is the one that the peer got."""
    with running(tmp_path, RULES, served="[note]") as broker:
        answer = explain(broker, denied(broker, PERSON, "elsewhere")).parameters
    assert not answer["allowed"]
    assert answer["text"].endswith("\n   but the listener that was asked does not serve it")


@pytest.mark.parametrize(
    ("role", "text"),
    [
        (Role(1001), "uid: wants 1000, found 1001"),
        (Role(1000, own_pids=True), "of another namespace"),
    ],
    ids=["another uid", "another namespace"],
)
def test_who_it_was(tmp_path: Path, role: Role, text: str) -> None:
    with running(tmp_path, RULES) as broker:
        answer = explain(broker, denied(broker, role, "note")).parameters
    assert not answer["allowed"]
    assert f"by uid {role.uid}, groups {role.uid}" in answer["text"]
    assert text in answer["text"]
    assert "=> denied: no rule allows it" in answer["text"]


def test_only_so_many_are_remembered(tmp_path: Path) -> None:
    with running(tmp_path, RULES) as broker, connected(broker.address, PERSON) as peer:
        requests = [
            peer.wire.call("Get", resource="nothing").parameters["request"]
            for _ in range(MAX_DENIALS_PER_UID + 1)
        ]
        oldest, second = requests[0], requests[1]
        assert explain(broker, oldest).error == "NotFound"
        assert "there is no such resource" in explain(broker, second).parameters["text"]
        assert peer.wire.call(f"{MANAGER}Explain", request=second).error == "PermissionDenied"
