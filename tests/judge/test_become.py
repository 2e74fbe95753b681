# SPDX-License-Identifier: MIT
"""A child that acts as the peer: what it makes is the peer's, and it does nothing else again."""

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fdbrokerd import kinds
from fdbrokerd.become import become, is_other
from fdbrokerd.errors import Busy
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.peer import Peer
from fdbrokerd.opened import Opened
from tests.core.made import OTHER, USER, a_peer
from tests.core.processes import become as become_for_good
from tests.core.processes import in_child
from tests.needs import need_root

from .desk import Desk, a_desk

GROUPS = (OTHER, OTHER + 1)


def credentials(number: int) -> tuple[int, int, int]:
    with socket.socket(fileno=os.dup(number)) as one:  # noqa: TID251 (a test's own)
        found = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", found)
    return pid, uid, gid


def peer_groups(number: int) -> set[int]:
    with socket.socket(fileno=os.dup(number)) as one:  # noqa: TID251 (a test's own)
        found = one.getsockopt(socket.SOL_SOCKET, 59, 256)  # SO_PEERGROUPS
    return set(struct.unpack(f"{len(found) // 4}I", found))


def make(spec: object, request: object, peer: Peer, *, may_wait: bool) -> Opened:  # noqa: ARG001 (a kind's signature)
    become(peer)
    if spec == "busy":
        raise Busy(resource="thing")
    one, other = socket.socketpair()
    return Opened({"one": OwnedFd(one.detach()), "other": OwnedFd(other.detach())})


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    kind: Any = SimpleNamespace(name="pair", open=make)
    monkeypatch.setattr(kinds, "_OURS", {**kinds._OURS, "pair": kind})
    with a_desk() as desk:
        yield desk


def test_a_pair_is_the_peers(pairs: Desk) -> None:
    need_root("to become somebody else")
    made = pairs.open("pair", "ok", USER)
    assert isinstance(made, Opened)
    for one in made.descriptors:
        pid, uid, gid = credentials(one.fileno())
        assert (uid, gid) == (USER, USER)
        assert pid != os.getpid()
        assert os.fstat(one.fileno()).st_uid == USER
        assert peer_groups(one.fileno()) == {USER}
    made.close()
    assert len(pairs.pool._idle) == 0, "the child ends"
    pairs.until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_child_that_failed_afterwards_ends_too(pairs: Desk) -> None:
    need_root("to become somebody else")
    assert isinstance(pairs.open("pair", "busy", USER), Busy)
    assert len(pairs.pool._idle) == 0


def test_the_same_user_needs_nothing(pairs: Desk) -> None:
    made = pairs.open("pair", "ok", os.geteuid())
    assert isinstance(made, Opened)
    assert credentials(made.descriptors[0].fileno())[1] == os.geteuid()
    made.close()
    assert len(pairs.pool._idle) == 1


def test_groups_and_what_the_peer_can_do_to_it() -> None:
    need_root("to become somebody else")

    def work() -> None:
        pid = os.getpid()
        became, becomes = os.pipe()
        attacker = os.fork()
        if attacker == 0:
            status = 1
            try:
                become_for_good(USER)
                os.close(becomes)
                os.read(became, 1)
                with pytest.raises(PermissionError):
                    os.kill(pid, signal.SIGTERM)
                with pytest.raises(PermissionError):
                    os.listdir(f"/proc/{pid}/fd")
                status = 0
            finally:
                os._exit(status)
        become(Peer(1, USER, USER, frozenset((USER, *GROUPS))))
        assert is_other()
        assert (os.geteuid(), os.getegid()) == (USER, USER)
        assert set(os.getgroups()) == {USER, *GROUPS}
        assert os.getresuid() == (0, USER, 0)
        os.close(becomes)
        assert os.waitpid(attacker, 0)[1] == 0

    in_child(work)


def test_it_still_ends_with_its_parent() -> None:
    need_root("to become somebody else")

    def work() -> None:
        become(a_peer(USER))
        buffer = ctypes.create_string_buffer(4)
        ctypes.CDLL(None).prctl(2, buffer, 0, 0, 0)  # PR_GET_PDEATHSIG
        assert struct.unpack_from("i", buffer.raw)[0] == signal.SIGKILL

    in_child(work)


AS_A_DAEMON_OF_ITS_OWN_USER = (
    "setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups",
    "--inh-caps=-all,+setuid,+setgid,+dac_override",
    "--ambient-caps=-all,+setuid,+setgid,+dac_override", "--",
)  # fmt: skip

BECOME_AND_OPEN = f"""
from fdbrokerd.become import become
from fdbrokerd.model.peer import Peer
open("/etc/shadow").close()
become(Peer(1, {USER}, {USER}, frozenset({{{USER}}})))
print(open("/proc/self/status").read())
try:
    open("/etc/shadow").close()
except PermissionError:
    print("Shadow: refused")
"""


@pytest.mark.parametrize("daemon", [(), AS_A_DAEMON_OF_ITS_OWN_USER])
def test_it_keeps_no_capability(daemon: tuple[str, ...]) -> None:
    """The kernel takes them from who was root, and leaves them to who had them without."""
    need_root("to become somebody else")
    command = (*daemon, sys.executable, "-c", BECOME_AND_OPEN)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    said = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(said[name], 16) == 0, name
    assert said["Shadow"] == " refused"


def test_nobody_becomes_root() -> None:
    need_root("to become somebody else first")

    def work() -> None:
        become_for_good(USER)
        with pytest.raises(PermissionError):
            become(a_peer(OTHER))
        with pytest.raises(PermissionError):
            become(a_peer(0))
        become(a_peer(USER))

    in_child(work)
