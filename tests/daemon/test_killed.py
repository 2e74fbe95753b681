# SPDX-License-Identifier: MIT
"""What the kernel kills when memory runs out: a child at work, or the process that makes them."""

import os
import signal
from pathlib import Path

from fdbrokerd.fd import OwnedFd

from .broker import COMMANDS, ROOT, Files, running
from .identity import User
from .items import an_eventfd, begin
from .process import PATIENCE, descendants, wait_until_ended
from .slow_kind import RULES as SLOW_RULES
from .slow_kind import SlowKind
from .wire import Wire, call

PERSON = User(1000)

STORE = """
resources:
  slots: {kind: store}
rules:
  - {id: people-put, allow: slots, do: [put, get, remove], peer: {uid: "1000-59999"}}
"""

SOON_SECONDS = 2.5
"""Less than the daemon gives at its end to requests that may still be answered."""


def test_a_child_at_work(tmp_path: Path) -> None:
    """Its request fails at once; the next one has another child."""
    files = Files(tmp_path, SLOW_RULES)
    with SlowKind(tmp_path) as slow, running(files, PYTHONPATH=f"{ROOT}:{slow.packages}") as broker:
        before = descendants(broker.pid)
        with Wire(broker.address, PERSON) as wire:
            for _ in range(3):
                wire.send(call("Get", resource="slow"))
                slow.wait_begun()
                (child,) = descendants(broker.pid) - before
                with OwnedFd(os.pidfd_open(child)) as pidfd:
                    signal.pidfd_send_signal(pidfd.fileno(), signal.SIGKILL)
                wire.socket.settimeout(SOON_SECONDS)
                assert wire.receive().error == "OpenFailed"
                wait_until_ended({child})
            wire.send(call("Get", resource="slow"))
            slow.wait_begun()
            slow.let_go()
            assert len(wire.receive().descriptors) == 1
        outcomes = [one["outcome"] for one in broker.records()]
        assert outcomes == ["failed"] * 3 + ["granted"]


def test_the_process_that_makes_them(tmp_path: Path, loop: str) -> None:
    """The daemon ends, to be started again; who waits for a child is not kept waiting for none."""
    files = Files(tmp_path, STORE)
    with (
        running(files, COMMANDS[loop]) as broker,
        Wire(broker.address, PERSON) as wire,
        an_eventfd() as one,
    ):
        transaction = begin(wire, "slots/a", one.fileno())
        broker.signal(signal.SIGSTOP)
        for pid in descendants(broker.pid):
            os.kill(pid, signal.SIGKILL)
        wire.send(call("Commit", transaction=transaction))
        wire.socket.settimeout(SOON_SECONDS)
        broker.signal(signal.SIGCONT)
        assert wire.receive().error == "Busy"
        assert wire.is_hung_up()
        assert broker.process.wait(PATIENCE) != 0
        assert "the process that makes the others has ended" in broker.said()
        (files.directory / "stderr").write_text("")
