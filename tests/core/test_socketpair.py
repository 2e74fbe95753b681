# SPDX-License-Identifier: MIT
"""Socket pairs: they work, and are the peer's who asked, never the broker's."""

import fcntl
import os
import socket
import struct
from collections.abc import Callable

import pytest

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.kinds import WouldBlock
from fdbrokerd.kinds.socketpair import KIND, SocketpairSpec
from fdbrokerd.model.key import Values
from fdbrokerd.model.peer import Peer
from fdbrokerd.opened import Opened
from tests.needs import need_root

from .made import OTHER, USER, a_peer, a_request
from .processes import in_child, open_numbers

SO_PEERGROUPS = 59
OURSELVES = Peer(
    os.getpid(), os.geteuid(), os.getegid(), frozenset({os.getegid(), *os.getgroups()})
)


def spec(**keys: object) -> SocketpairSpec:
    return KIND.spec(Values(keys), frozenset())


def opened(of: SocketpairSpec, peer: Peer = OURSELVES, count: int = 1) -> Opened:
    return KIND.open(of, a_request("pair", count), peer, may_wait=True)


def sockets(made: Opened) -> list[socket.socket]:
    """Return the ends as sockets, which take them over."""
    return [socket.socket(fileno=end.detach()) for end in made.descriptors]


def close(ends: list[socket.socket]) -> None:
    for end in ends:
        end.close()


def maker(end: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of whoever made the pair."""
    pid, uid, gid = struct.unpack("iII", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def groups(end: socket.socket) -> set[int]:
    data = end.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 256)
    return set(struct.unpack(f"{len(data) // 4}I", data))


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({}, socket.SOCK_STREAM),
        ({"type": "stream"}, socket.SOCK_STREAM),
        ({"type": "dgram"}, socket.SOCK_DGRAM),
        ({"type": "seqpacket"}, socket.SOCK_SEQPACKET),
    ],
)
def test_what_is_said_at_one_end_is_heard_at_the_other(keys: dict[str, object], kind: int) -> None:
    made = opened(spec(**keys))
    assert made.names == KIND.descriptors == ("a", "b")
    ends = sockets(made)
    a, b = ends
    assert (a.family, a.type, b.type) == (socket.AF_UNIX, kind, kind)
    for end in ends:
        assert fcntl.fcntl(end.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert end.gettimeout() is None
    a.send(b"there")
    b.send(b"back")
    assert (b.recv(9), a.recv(9)) == (b"there", b"back")
    close(ends)


def as_peer(peer: Peer, look: Callable[[list[socket.socket]], None]) -> None:
    """Make a pair for a peer in a child, as an opener does, and look at it there."""

    def work() -> None:
        ends = sockets(opened(spec(), peer))
        look(ends)
        close(ends)

    in_child(work)


@pytest.mark.parametrize("uid", [USER, OTHER])
def test_it_is_of_the_peer_that_asks(uid: int) -> None:
    need_root("to be another user")
    peer = a_peer(uid, groups=(OTHER, USER, 7))

    def look(ends: list[socket.socket]) -> None:
        for end in ends:
            pid, *ids = maker(end)
            assert ids == [uid, uid]
            assert pid == os.getpid() != peer.pid
            assert groups(end) == peer.groups

    as_peer(peer, look)


def test_whose_groups_are_fewer_than_ours_has_only_those() -> None:
    need_root("to have other groups")

    def work() -> None:
        os.setgroups([0, 7])
        ends = sockets(opened(spec(), Peer(1, 0, 9, frozenset({9, 11}))))
        assert maker(ends[0])[1:] == (0, 9)
        assert groups(ends[0]) == {9, 11}
        close(ends)

    in_child(work)


def test_a_user_whom_this_process_cannot_be_gets_none() -> None:
    need_root("to lose privileges")

    def work() -> None:
        before = open_numbers()
        with pytest.raises(PermissionError):
            opened(spec(), a_peer(OTHER))
        assert open_numbers() == before

    in_child(work, uid=USER)


def test_it_is_made_in_a_child_only() -> None:
    """In the daemon it would be the daemon's, and its pid would say so."""
    assert KIND.may_block(spec())
    with pytest.raises(WouldBlock):
        KIND.open(spec(), a_request("pair"), OURSELVES, may_wait=False)


def test_several_are_numbered_and_distinct() -> None:
    made = opened(spec(), OURSELVES, 2)
    assert made.names == ("a0", "b0", "a1", "b1")
    ends = sockets(made)
    ends[0].send(b"0")
    ends[2].send(b"1")
    assert [ends[1].recv(9), ends[3].recv(9)] == [b"0", b"1"]
    close(ends)


def test_one_end_goes_with_a_name() -> None:
    assert KIND.wanted(a_request("pair/x", end="b")) == frozenset({"b"})
    assert KIND.wanted(a_request("pair/x")) is None
    with pytest.raises(InvalidArgument, match="goes with a name"):
        KIND.open(spec(), a_request("pair", end="a"), OURSELVES, may_wait=True)


@pytest.mark.parametrize(("keys", "once"), [({}, True), ({"ends": "shared"}, False)])
def test_how_it_holds_items(keys: dict[str, object], *, once: bool) -> None:
    holding = KIND.holding(spec(**keys))
    assert (holding.makes, holding.once, holding.accept) == (True, once, frozenset({"socket"}))
