# SPDX-License-Identifier: MIT
"""No way of hiding turns a deny or a `not:` into an allow."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .broker import Broker, rules, running
from .daemons import command
from .peers import Peer, Role, connected

PERSON = 1000
PYTHON = os.readlink("/proc/self/exe")
SOMEBODY = 'uid: "1000-1999"'

CASES = {
    "allowed-by-program": f"allow: $, peer: {{{SOMEBODY}, exe: {PYTHON}}}",
    "allowed-but-for-a-program": f"allow: $, peer: {{{SOMEBODY}, not: {{exe: /other}}}}",
    "allowed-by-one-of-two": f"allow: $, peer: {{any: [{{uid: 1, exe: /other}}, "
    f"{{{SOMEBODY}, exe: {PYTHON}}}]}}",
    "allowed-without": f"allow: $, peer: {{{SOMEBODY}, not: [{{exe: /a}}, {{uid: 1}}]}}",
    "denied-to-a-program": f"deny: $, peer: {{{SOMEBODY}, exe: /other}}",
    "denied-but-to-a-program": f"deny: $, peer: {{{SOMEBODY}, not: {{exe: {PYTHON}}}}}",
    "denied-to-one-of-two": f"deny: $, peer: {{any: [{{uid: 1}}, {{{SOMEBODY}, exe: /other}}]}}",
}
"""Rules by which a peer is given what it asks for, if all is seen of it; each about a resource of
its own, `$`. To what is denied to some, an allow by uid is added."""

RULES = rules(
    *(f"id: {name}, {rule.replace('$', name)}" for name, rule in CASES.items()),
    f'id: everybody, allow: "denied-*", peer: {{{SOMEBODY}}}',
    f"id: everybody-plain, allow: plain, peer: {{{SOMEBODY}}}",
    f"id: never-plain, deny: plain, peer: {{uid: {PERSON}}}",
    resources=[
        f"{name}: {{kind: file, path: /etc/passwd, access: read}}" for name in (*CASES, "plain")
    ],
)

IN_A_USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--")


@contextmanager
def seen(broker: Broker) -> Iterator[Peer]:
    """Let a peer connect that hides nothing."""
    with connected(broker.address, Role(PERSON)) as peer:
        yield peer


@contextmanager
def in_own_pids(broker: Broker) -> Iterator[Peer]:
    """Let one connect from another pid namespace."""
    with connected(broker.address, Role(PERSON, own_pids=True)) as peer:
        yield peer


@contextmanager
def as_root_elsewhere(broker: Broker) -> Iterator[Peer]:
    """Let one connect from another user namespace."""
    with connected(broker.address, Role(PERSON, inner=0)) as peer:
        yield peer


@contextmanager
def ended(broker: Broker) -> Iterator[Peer]:
    """Let one connect that ends before anything is read of it."""
    with ExitStack() as stack:
        with broker.stopped():
            peer = stack.enter_context(connected(broker.address, Role(PERSON)))
            peer.end()
        yield peer


WAYS = {
    "seen": (command(), seen),
    "no pidfd": (command("old-kernel", "certain"), seen),
    "pid namespace": (command(), in_own_pids),
    "user namespace": (command(), as_root_elsewhere),
    "ended": (command(), ended),
    "no number here": ((*IN_A_USER_NAMESPACE, *command("certain")), seen),
}


@pytest.mark.parametrize("way", WAYS)
def test_hiding(tmp_path: Path, way: str) -> None:
    daemon, peers = WAYS[way]
    with running(tmp_path, RULES, daemon) as broker:
        with peers(broker) as peer:
            given = {name for name in CASES if peer.wire.gets(name)}
            assert given == (set(CASES) if way == "seen" else set())
            assert not peer.wire.gets("plain"), "a deny by uid reaches whoever hides"
            assert peer.wire.call("List").parameters["items"] == [
                {"name": name, "kind": "file", "state": "available", "holders": 0}
                for name in sorted(given)
            ]
        assert broker.records()[-2]["rules"] == ["never-plain"]
