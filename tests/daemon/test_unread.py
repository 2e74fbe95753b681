# SPDX-License-Identifier: MIT
"""Descriptors on their way count as the daemon's own, for everybody: peers that do not read.

unix(7), ETOOMANYREFS; the daemon has neither of the capabilities that lift it.
"""

from contextlib import ExitStack

from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User
from .process import wait_until
from .wire import Wire, call

RULES = """\
resources:
  bell: {kind: eventfd}
rules:
  - {id: all, allow: bell, peer: {uid: 0-65533}}
"""
PERSON, OTHER = User(1000), User(1001)
MOST = call("Get", resource="bell", count=200)


def handed_out(broker: RunningBroker) -> int:
    """Return how many descriptors have been handed over."""
    return int(broker.status()["descriptors"])


def test_one_answer_is_unread_at_a_time(files: Files, loop: str) -> None:
    files.write_rules(RULES)
    with running(files, COMMANDS[loop]) as broker, Wire(broker.address, PERSON) as wire:
        wire.send(MOST * 3)
        wait_until(lambda: handed_out(broker) == 200, "the first answer")
        with Wire(broker.address, OTHER) as other:
            assert other.is_served()
        assert handed_out(broker) == 200, "and no other, before that one is read"
        for _ in range(3):
            assert len(wire.receive().descriptors) == 200
            wire.close_descriptors()
        assert handed_out(broker) == 600
        wire.send(call("Get", resource="bell") * 40)
        wait_until(lambda: handed_out(broker) == 640, "small ones, all of them")


def test_what_a_connection_leaves_unread_counts_as_its_users(files: Files, loop: str) -> None:
    files.write_rules(RULES)
    files.write_settings(limits="{connections-per-uid: 2}")
    with running(files, COMMANDS[loop]) as broker, ExitStack() as stack:
        wires = [stack.enter_context(Wire(broker.address, PERSON)) for _ in range(2)]
        for wire in wires:
            wire.send(MOST + b"nonsense\0")
        wait_until(
            lambda: [one["outcome"] for one in broker.records()].count("hung-up") == 2,
            "both to be hung up on",
        )
        with Wire(broker.address, PERSON) as third:
            assert third.is_hung_up(), "their descriptors are still on their way"
        with Wire(broker.address, OTHER) as other:
            assert other.is_served()
        assert len(wires[0].receive().descriptors) == 200, "what was given is not taken back"
        wires[0].close_descriptors()
        wait_until(lambda: broker.status()["connections"] == 2, "the place to be free")
        with Wire(broker.address, PERSON) as third:
            assert third.is_served()
