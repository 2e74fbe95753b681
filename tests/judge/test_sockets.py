# SPDX-License-Identifier: MIT
"""Sockets: what is said of each, which families are taken, and the broker's own."""

import os
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import Judged, Own, Refused, judge
from tests.core.processes import in_child, sleeper
from tests.needs import cannot, need_root

from .judging import NOBODY, judged, refusal
from .syscalls import IPPROTO_MPTCP, lingering

STREAM, DGRAM, SEQPACKET = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET


def a_socket(family: int, kind: int, protocol: int = 0) -> Callable[[], int]:
    def make() -> int:
        try:
            return socket.socket(family, kind, protocol).detach()
        except OSError as error:
            cannot(f"no such socket here: {error}")

    return make


def what(one: socket.socket, own: Own = NOBODY) -> str:
    found = judge(one.fileno(), own)
    assert found.type == "socket"
    return found.what


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "said"),
    [
        (socket.AF_UNIX, STREAM, 0, "unix stream socket"),
        (socket.AF_UNIX, DGRAM, 0, "unix datagram socket"),
        (socket.AF_UNIX, SEQPACKET, 0, "unix seqpacket socket"),
        (socket.AF_INET, STREAM, 0, "tcp socket"),
        (socket.AF_INET6, STREAM, 0, "tcp socket"),
        (socket.AF_INET, DGRAM, 0, "udp socket"),
        (socket.AF_INET6, DGRAM, 0, "udp socket"),
        (socket.AF_INET, STREAM, IPPROTO_MPTCP, "mptcp socket"),
    ],
)
def test_what_is_taken(family: int, kind: int, protocol: int, said: str) -> None:
    assert judged(a_socket(family, kind, protocol)) == Judged("socket", said)


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "said"),
    [
        (socket.AF_NETLINK, socket.SOCK_RAW, 0, "AF_NETLINK"),
        (socket.AF_PACKET, socket.SOCK_RAW, 0, "AF_PACKET"),
        (socket.AF_VSOCK, STREAM, 0, "AF_VSOCK"),
        (socket.AF_INET, socket.SOCK_RAW, 1, "AF_INET, type 3"),
        (socket.AF_INET, DGRAM, 136, "protocol 136"),
        (44, socket.SOCK_RAW, 0, "address family 44"),
    ],
)
def test_what_is_refused(family: int, kind: int, protocol: int, said: str) -> None:
    need_root("raw sockets")
    assert said in refusal(a_socket(family, kind, protocol))


def test_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert what(one) == f"listening tcp socket 127.0.0.1:{one.getsockname()[1]}"
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as one:
        assert what(one) == f"listening tcp socket [::1]:{one.getsockname()[1]}"


def test_connected() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        ours, theirs = client.getsockname()[1], client.getpeername()[1]
        said = f"tcp socket 127.0.0.1:{ours}, connected to 127.0.0.1:{theirs}"
        assert what(client) == said


def test_unix_names(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place / "socket"))
        assert what(one) == f"unix stream socket {place}/socket"
        one.listen()
        assert what(one) == f"listening unix stream socket {place}/socket"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place / "socket"))
            assert what(client) == f"unix stream socket, connected to {place}/socket"


@pytest.mark.parametrize("name", [b"\0x\x1b[2J y\xff", b"\0" + b"\\" * 107, b"\0\0"])
def test_a_name_that_acts_on_a_terminal(name: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(name)
        said = what(one)
        assert said.startswith("unix stream socket @")
        assert said.isprintable()
        assert said.count(" ") == 3


def test_a_pair_whose_other_end_is_gone() -> None:
    one, other = socket.socketpair()
    with one:
        assert what(one) == "unix stream socket, connected"
        other.close()
        assert judge(one.fileno(), NOBODY).type == "socket"


def test_what_the_broker_made() -> None:
    own = Own(os.getpid())
    for kind in (STREAM, SEQPACKET, DGRAM):
        one, other = socket.socketpair(socket.AF_UNIX, kind)
        with one, other, pytest.raises(Refused, match="broker's own"):
            judge(one.fileno(), own)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"")
        listener.listen()
        with pytest.raises(Refused, match="broker's own"):
            judge(listener.fileno(), own)


def test_what_has_one_of_the_brokers_names(place: Path) -> None:
    """Who listens may be pid 1: the names tell."""
    for target, address in (
        (str(place / "socket"), str(place / "socket")),
        (b"\0fdb-test-%d" % os.getpid(), f"@fdb-test-{os.getpid()}"),
    ):
        own = Own(1 << 30, frozenset({address, "@other"}))
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(target)
            listener.listen()
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(target)
            accepted = stack.enter_context(listener.accept()[0])
            for one in (listener, client, accepted):
                with pytest.raises(Refused, match="broker's own"):
                    judge(one.fileno(), own)
                assert what(one, Own(1 << 30, frozenset({"@other"})))


def test_another_process_is_not_the_broker() -> None:
    one, other = socket.socketpair()
    with one, other, sleeper() as pid:
        assert what(one, Own(pid))

    def work() -> None:
        own = Own(os.getppid())
        mine, rest = socket.socketpair()
        with mine, rest:
            assert what(mine, own)

    in_child(work)


def test_lingering_is_switched_off_while_it_is_judged() -> None:
    sender, rest = lingering(30)
    with sender:
        assert judge(sender.fileno(), NOBODY).type == "socket"
        linger = sender.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert struct.unpack("ii", linger)[0] == 0
    for one in rest:
        one.close()


def test_a_judged_socket_is_still_the_senders() -> None:
    """The number is borrowed: nothing of Python's closes it."""
    with OwnedFd(a_socket(socket.AF_INET, STREAM)()) as one:
        for _ in range(3):
            judge(one.fileno(), NOBODY)
        os.fstat(one.fileno())
