# SPDX-License-Identifier: MIT
"""The socket: what a receive installs, what a send attaches, and who may have an address."""

import array
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fdbrokerd import channel, listening
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.listening import UnwantedDescriptors
from fdbrokerd.opened import rights
from tests.needs import cannot, need_root

from .made import USER
from .processes import in_child, open_numbers, room_for

NULL = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def attach(sender: socket.socket, data: bytes, count: int) -> None:
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [NULL] * count))
    sender.sendmsg([data], [rights])


def copies(count: int) -> tuple[OwnedFd, ...]:
    return tuple(OwnedFd.copy_of(NULL) for _ in range(count))


@pytest.mark.parametrize("count", [1, 253])
def test_descriptors_arrive_close_on_exec(count: int) -> None:
    with pair() as (ours, theirs):
        sent = copies(count)
        assert channel.send(ours, b"x\0", rights(sent)) == 2
        close_all(sent)
        data, received, truncated = channel.receive_reply(theirs)
        flags = [fcntl.fcntl(one.fileno(), fcntl.F_GETFD) for one in received]
        close_all(received)
        assert (data, truncated, flags) == (b"x\0", False, [fcntl.FD_CLOEXEC] * count)


def test_one_more_than_the_kernel_sends_is_an_error() -> None:
    with pair() as (ours, _):
        sent = copies(254)
        with pytest.raises(OSError, match="Invalid argument"):
            channel.send(ours, b"x\0", rights(sent))
        close_all(sent)


def test_at_the_limit_some_arrive_and_none_leaks() -> None:
    def receive() -> None:
        with pair() as (ours, theirs):
            attach(ours, b"x", 5)
            before = open_numbers()
            with room_for(2):
                data, received, truncated = channel.receive_reply(theirs)
            assert (data, len(received), truncated) == (b"x", 2, True)
            assert open_numbers() == before | {one.fileno() for one in received}
            close_all(received)
            assert open_numbers() == before

    in_child(receive)


@pytest.mark.parametrize("count", [1, 2, 253])
def test_a_call_never_installs_a_descriptor(count: int) -> None:
    """As before Linux 6.16: nothing but the small control buffer keeps them out."""
    with pair() as (ours, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        attach(ours, b"{}\0", count)
        before = open_numbers()
        with pytest.raises(UnwantedDescriptors):
            listening.receive_call(theirs)
        assert open_numbers() == before


def test_a_hardened_socket_refuses_descriptors_and_still_gives_them() -> None:
    with pair() as (ours, theirs):
        listening.harden(theirs)
        try:
            theirs.getsockopt(socket.SOL_SOCKET, listening.SO_PASSRIGHTS)
        except OSError:
            cannot("needs SO_PASSRIGHTS (Linux 6.16)")
        with pytest.raises(PermissionError):
            attach(ours, b"x", 1)
        given = copies(1)
        channel.send(theirs, b"y", rights(given))
        close_all(given)
        _, received, _ = channel.receive_reply(ours)
        assert len(received) == 1
        close_all(received)


def test_a_call_says_who_wrote_it() -> None:
    need_root("to write as another user")
    with pair() as (ours, theirs):
        listening.harden(theirs)
        in_child(lambda: ours.send(b"them"), uid=USER)
        ours.send(b"us")
        for data, uid in ((b"them", USER), (b"us", os.getuid())):
            received, writer = listening.receive_call(theirs)
            assert (received, listening.uid_of(writer)) == (data, uid)
        ours.close()
        assert listening.receive_call(theirs)[0] == b""


def test_neither_end_waits() -> None:
    with pair() as (ours, theirs):
        with pytest.raises(BlockingIOError):
            channel.receive_reply(theirs)
        most = channel.send(ours, b"x" * 4_000_000, [])
        assert 0 < most < 4_000_000
        with pytest.raises(BlockingIOError):
            channel.send(ours, b"x", [])


def test_after_a_short_count_the_descriptors_are_gone_with_the_bytes() -> None:
    with pair() as (ours, theirs):
        given = copies(2)
        data = memoryview(b"x" * 4_000_000)
        sent = channel.send(ours, data, rights(given))
        close_all(given)
        assert 0 < sent < len(data)
        counts = []
        while sent:
            chunk, received, _ = channel.receive_reply(theirs)
            counts.append(len(received))
            close_all(received)
            sent -= len(chunk)
        assert counts == [2] + [0] * (len(counts) - 1)
