# SPDX-License-Identifier: MIT
"""A file system that never answers keeps whoever asked it waiting, and nobody else."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

import pytest

from fdbrokerd.opener.pool import MAX_OPENING_PER_UID
from tests.daemon.broker import COMMANDS, Files, RunningBroker, running
from tests.daemon.identity import User
from tests.daemon.process import wait_until
from tests.daemon.wire import MANAGER, Wire, call

from .silent_fuse import SilentFuse, silent_fuse

VICTIM, OTHER = User(1000), User(1001)

SOON_SECONDS = 0.010
"""Within which others are served: the median of many, since the machine has other things to do."""
LATE_SECONDS = 0.5
"""No single one takes as long as a child is given (2 s), nor near it."""
ASKED = 200

RULES = """
resources:
  stuck: {kind: file, root: $DIR, path: mounted/file, access: read}
  note: {kind: file, root: $DIR, path: note, access: read}
  child: {kind: file, root: $DIR, path: note, access: read, deliver: snapshot, max-size: 16M}
  pty: {kind: pty}
rules:
  - {id: all, allow: [stuck, note, child, pty], peer: {uid: ["0", "1000-1001"]}}
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A daemon that has the file system mounted below a root of its rules."""

    broker: RunningBroker
    fuse: SilentFuse


@pytest.fixture
def scene(place: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Run such a daemon, on asyncio's loop unless the test says another."""
    (place / "mounted").mkdir()
    (place / "note").write_text("a note\n")
    files = Files(place, RULES)
    with silent_fuse() as fuse:
        command = COMMANDS[getattr(request, "param", "asyncio")]
        command = fuse.command(place / "mounted", tuple(command))
        with running(files, command, keep=(fuse.device,)) as broker:
            yield Scene(broker, fuse)
            fuse.abort()


def seconds_of(wire: Wire, resource: str) -> float:
    begun = monotonic()
    reply = wire.call("Get", resource=resource)
    taken = monotonic() - begun
    assert reply.error == "", reply.raw
    wire.close_descriptors()
    return taken


@pytest.mark.parametrize("scene", list(COMMANDS), indirect=True)
def test_others_are_served_meanwhile(scene: Scene) -> None:
    with ExitStack() as stack:
        stuck = [
            stack.enter_context(Wire(scene.broker.address, VICTIM))
            for _ in range(MAX_OPENING_PER_UID)
        ]
        other = stack.enter_context(Wire(scene.broker.address, OTHER))
        for wire in stuck:
            wire.send(call("Get", resource="stuck"))
            scene.fuse.await_question()
        for resource in ("note", "pty"):
            times = [seconds_of(other, resource) for _ in range(ASKED)]
            assert median(times) < SOON_SECONDS, resource
            assert max(times) < LATE_SECONDS, resource
        assert seconds_of(other, "child") < LATE_SECONDS, "there are children left for others"
        more = stack.enter_context(Wire(scene.broker.address, VICTIM))
        refused = more.call("Get", resource="stuck")
        assert (refused.error, refused.parameters["limit"]) == ("LimitReached", "openers")
        assert seconds_of(more, "note") < LATE_SECONDS, "what asks nobody is still had"
        assert {wire.receive().error for wire in stuck} == {"TimedOut"}
        again = more.call("Get", resource="stuck")
        assert again.error == "LimitReached", "killed, they sleep on, and are counted"
        scene.fuse.abort()
        wait_until(
            lambda: more.call("Get", resource="stuck").error == "OpenFailed", "them to have ended"
        )
        assert scene.broker.status()["connections"] == MAX_OPENING_PER_UID + 3


def test_a_daemon_that_is_stopped_meanwhile_ends(scene: Scene) -> None:
    with Wire(scene.broker.address, VICTIM) as wire:
        wire.send(call("Get", resource="stuck"))
        scene.fuse.await_question()
        begun = monotonic()
        assert scene.broker.stop() == 0
        assert monotonic() - begun < 5


def test_rules_that_name_it_are_loaded_all_the_same(scene: Scene) -> None:
    """What root mounts may hang as well, and a reload, or a start, must not wait for it."""
    directory = scene.broker.files.directory
    (directory / "way").symlink_to("mounted")
    roots = {"root": "mounted", "below": "mounted/a/b", "linked": "way/a"}
    more = "".join(
        f"  {name}: {{kind: file, root: {directory}/{path}, path: file, access: read}}\n"
        for name, path in roots.items()
    )
    rule = f"  - {{id: more, allow: [{', '.join(roots)}], peer: {{uid: '1000'}}}}\n"
    scene.broker.files.write_rules(RULES.replace("rules:\n", f"{more}rules:\n{rule}"))
    with ExitStack() as stack:
        admin, other = (
            stack.enter_context(Wire(scene.broker.address, one)) for one in (User(), OTHER)
        )
        begun = monotonic()
        assert admin.call(f"{MANAGER}Reload").error == ""
        assert monotonic() - begun < LATE_SECONDS
        victims = [stack.enter_context(Wire(scene.broker.address, VICTIM)) for _ in roots]
        for wire, resource in zip(victims, roots, strict=True):
            wire.send(call("Get", resource=resource))
            scene.fuse.await_question()
        assert seconds_of(other, "note") < LATE_SECONDS
        assert {wire.receive().error for wire in victims} == {"TimedOut"}
