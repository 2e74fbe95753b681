# SPDX-License-Identifier: MIT
"""Who the kernel says is at the other end."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fdbrokerd.peer import MAX_GROUPS, NoIdentity, identify, process_of
from tests.needs import need_root

from .made import USER
from .processes import become, other_process, readable


@contextmanager
def accepted(prepare: Callable[[], None]) -> Iterator[tuple[socket.socket, int, socket.socket]]:
    """Have a forked process connect; yield our end, its pid, and a socket that ends it."""
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, ours, theirs:
        listener.bind(b"")  # an abstract name of the kernel's choice
        listener.listen(1)

        def connect() -> None:
            ours.close()
            prepare()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(listener.getsockname())
                theirs.recv(1)

        with other_process(connect) as pid:
            theirs.close()
            connection, _ = listener.accept()
            with connection:
                yield connection, pid, ours
            ours.close()


@pytest.mark.parametrize("groups", [(), (4,), (4, 27, USER + 1), tuple(range(3000, 3256))])
def test_ids_and_groups_are_those_of_the_connection(groups: tuple[int, ...]) -> None:
    need_root("to be somebody else")
    with accepted(lambda: become(USER, groups)) as (connection, pid, _):
        peer = identify(connection, with_facts=False)
    assert (peer.pid, peer.uid, peer.gid) == (pid, USER, USER)
    assert peer.groups == {USER, *groups}


def test_more_groups_than_can_be_read_are_no_identity() -> None:
    """A rule that denies one of them must not be passed by hiding it among many."""
    need_root("to be in many groups")
    many = tuple(range(3000, 3000 + MAX_GROUPS + 1))
    with (
        accepted(lambda: become(USER, many)) as (connection, _, _),
        pytest.raises(NoIdentity, match="does not say who"),
    ):
        identify(connection, with_facts=False)


def test_what_is_no_unix_socket_has_no_identity() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        try:
            peer = identify(other, with_facts=False)
        except NoIdentity:
            return
    assert peer.pid == 0, "nobody: the kernel answers for TCP too, with no ids"


def test_the_process_can_be_watched_and_is_not_mistaken() -> None:
    with (
        accepted(lambda: None) as (connection, pid, end),
        process_of(connection, identify(connection, with_facts=False)) as pidfd,
    ):
        with open(f"/proc/self/fdinfo/{pidfd.fileno()}") as info:
            assert f"Pid:\t{pid}\n" in info.read()
        assert not os.get_inheritable(pidfd.fileno())
        assert not readable(pidfd.fileno(), 0)
        end.close()
        assert readable(pidfd.fileno())
