# SPDX-License-Identifier: MIT
"""The service manager's store, as a datagram socket that fills."""

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from errno import ECONNREFUSED, EPIPE

import pytest

from fdbrokerd.errors import OpenFailed
from fdbrokerd.fd import OwnedFd
from fdbrokerd.fdstore import MAX_STORED, DescriptorStore, NoStore, room
from fdbrokerd.store.held import name_of

from .shelf import Shelf, a_pipe, an_eventfd, inode

ROOM = {"FDSTORE": "5", "NOTIFY_SOCKET": "/run/systemd/notify"}


class Manager:
    """Who receives what is stored, and what waits for room in its socket."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listening.setblocking(False)
        self.listening.bind(f"{self.directory.name}/notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.connect(f"{self.directory.name}/notify")
        self.notify.setblocking(False)
        self.waiting: Callable[[], None] | None = None
        self.received: list[tuple[str, int]] = []
        self.done: list[OSError | None] = []
        self.store = DescriptorStore(self.notify, 100, self.wait, self.leave)

    def wait(self, notify: socket.socket, callback: Callable[[], None]) -> None:
        assert notify is self.notify
        assert self.waiting is None, "once"
        self.waiting = callback

    def leave(self, notify: socket.socket) -> None:
        assert notify is self.notify
        assert self.waiting is not None
        self.waiting = None

    def keep(self, name: str, one: OwnedFd) -> None:
        self.store.keep(name, one.fileno(), self.done.append)

    def fill(self) -> int:
        """Send until there is no more room."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                self.notify.send(b"STATUS=x")
                count += 1
        return count

    def read(self, count: int) -> None:
        """Receive so many, each with the inode of what came with it."""
        for _ in range(count):
            data, ancillary, _, _ = self.listening.recvmsg(4096, socket.CMSG_SPACE(8))
            numbers = [int.from_bytes(body[:4], sys.byteorder) for _level, _type, body in ancillary]
            if not data.startswith(b"STATUS"):
                what = os.fstat(numbers[0]).st_ino if numbers else 0
                self.received.append((data.decode(), what))
            for number in numbers:
                os.close(number)

    def read_one_by_one(self) -> None:
        """Make room for one at a time, until nothing waits."""
        while (go_on := self.waiting) is not None:
            self.read(1)
            go_on()

    def read_all(self) -> None:
        with suppress(BlockingIOError):
            self.read(1 << 20)

    def close(self) -> None:
        self.listening.close()
        self.notify.close()
        self.directory.cleanup()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with closing(Manager()) as made:
        yield made


def stored(name: str) -> str:
    return f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0"


def test_it_is_sent_with_its_name_and_never_polled(manager: Manager) -> None:
    read, write = a_pipe()
    with read, write:
        manager.keep("i1", read)
        manager.store.drop("i1")
        manager.read_all()
        assert manager.received == [
            (stored("i1"), inode(read)),
            ("FDSTOREREMOVE=1\nFDNAME=i1", 0),
        ]
        assert manager.done == [None]
        assert manager.waiting is None


def test_what_there_is_no_room_for_waits_in_order(manager: Manager) -> None:
    with ExitStack() as stack:
        filled = manager.fill()
        held = [stack.enter_context(an_eventfd()) for _ in range(20)]
        for at, one in enumerate(held):
            manager.keep(f"i{at}", one)
            manager.store.drop(f"i{at}")
        assert manager.done == []
        assert manager.waiting is not None
        manager.waiting()
        assert manager.done == [], "nothing was read"
        manager.read_one_by_one()
        manager.read_all()
        assert filled > 0
        assert [text for text, _ in manager.received] == [
            text
            for at in range(20)
            for text in (stored(f"i{at}"), f"FDSTOREREMOVE=1\nFDNAME=i{at}")
        ]
        assert manager.done == [None] * 20


def test_what_is_asked_from_within_comes_after_what_waits(manager: Manager) -> None:
    """An item that is kept at last may drop the one that it replaces."""
    with an_eventfd() as one, an_eventfd() as other:
        manager.fill()
        manager.store.keep("i1", one.fileno(), lambda _: manager.store.drop("old"))
        manager.keep("i2", other)
        manager.read_all()
        assert manager.waiting is not None
        manager.waiting()
        manager.read_all()
        assert [text.split("FDNAME=")[1][:3].strip() for text, _ in manager.received] == [
            "i1",
            "i2",
            "old",
        ]
        assert manager.waiting is None


def test_a_manager_that_has_gone_is_told_as_an_error(manager: Manager) -> None:
    manager.listening.close()
    with an_eventfd() as one:
        manager.keep("i1", one)
        manager.store.drop("i1")
    (error,) = manager.done
    assert isinstance(error, OSError)
    assert error.errno in {ECONNREFUSED, EPIPE}


def test_one_that_goes_while_it_waits_too(manager: Manager) -> None:
    with an_eventfd() as one, an_eventfd() as other:
        manager.fill()
        manager.keep("i1", one)
        manager.keep("i2", other)
        manager.listening.close()
        assert manager.waiting is not None
        manager.waiting()
        assert len(manager.done) == 2
        assert all(manager.done)
        assert manager.waiting is None


def test_a_put_is_not_there_before_it_is_sent(manager: Manager) -> None:
    with closing(Shelf(manager.store)) as shelf:  # type: ignore[arg-type]
        manager.fill()
        outcomes = shelf.begin("s/a", an_eventfd(), an_eventfd())
        assert not outcomes
        assert shelf.table.state.items == {}
        manager.read_one_by_one()
        assert len(outcomes) == 1
        assert shelf.store.find("s/a") is not None


def test_one_whose_manager_has_gone_is_refused(manager: Manager) -> None:
    with closing(Shelf(manager.store)) as shelf:  # type: ignore[arg-type]
        manager.listening.close()
        error = shelf.refused("s/a", an_eventfd(), an_eventfd())
        assert isinstance(error, OpenFailed)
        assert error.errno == ECONNREFUSED
        assert shelf.store.descriptors == 0
        assert len(shelf.dismissed) == 2
        assert len(shelf.store) == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("5", 5),
        ("0", 0),
        ("", 0),
        ("-1", 0),
        ("x", 0),
        ("²", 0),
        ("٣", 0),
        (" 5", 0),
        ("4096", 4096),
        ("1000000", MAX_STORED),
    ],
)
def test_room(text: str, count: int) -> None:
    environment = ROOM | {"FDSTORE": text}
    assert room(environment) == count
    assert "FDSTORE" not in environment, "it is not for what is started from here"
    assert "NOTIFY_SOCKET" in environment


def test_there_is_none_without_a_manager() -> None:
    assert room({}) == 0
    assert room({"FDSTORE": "5"}) == 0
    assert room({"FDSTORE": "5", "NOTIFY_SOCKET": ""}) == 0


def test_all_names_fit_into_one_environment_string() -> None:
    names = ":".join(name_of(10**10 + number) for number in range(MAX_STORED))
    assert len("LISTEN_FDNAMES=" + names) < 128 * 1024


def test_no_store() -> None:
    store, done = NoStore(7), list[OSError | None]()
    store.keep("i1", 0, done.append)
    store.drop("i1")
    assert (done, store.room, store.durable) == ([None], 7, False)
    assert NoStore(1 << 30).room == MAX_STORED
