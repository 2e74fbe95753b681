# SPDX-License-Identifier: MIT
"""Peers that put descriptors to stall the daemon, to fill it, or to have more than they may."""

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.store.expiry import MAX_AT_ONCE, Expiry
from fdbrokerd.store.item import Item
from tests import needs
from tests.judge.syscalls import call as system_call
from tests.judge.syscalls import lingering

from .broker import Files, RunningBroker, running
from .identity import User, child, in_child
from .items import OTHER, PERSON, ROOT, begin, error, held, names, put, put_as, send, socket_of
from .process import descriptors, take_byte, wait_until
from .wire import Wire, call

ALL = "do: [get, put, take, remove, list, watch]"
RULES = f"""
resources:
  slots: {{kind: store, quota: {{items: 5000, descriptors: 5000}}}}
  other: {{kind: store}}
  drops: {{kind: store, on-hangup: drop}}
rules:
  - {{id: people, allow: "*", {ALL}, peer: {{uid: ["0", "1000-1999"]}}}}
"""
SOON = 3.0
"""Seconds that nothing here may take; what is repelled took a multiple of it."""

CONFINED = """
import ctypes, os, resource, sys
for capability in (21, 24):  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
os.execv(sys.executable, [sys.executable, "-m", "fdbrokerd.cli.daemon", *sys.argv[1:]])
"""
"""The daemon with no more than what the unit leaves it: of what it gives away, more on its way than
RLIMIT_NOFILE is ETOOMANYREFS (unix(7))."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """Run a daemon of the test's own."""
    with running(Files(tmp_path, RULES)) as broker:
        yield broker


def reload(broker: RunningBroker, old: str, new: str) -> None:
    """Have other rules in force."""
    broker.files.write_rules(RULES.replace(old, new))
    assert error(broker, ROOT, "io.fdbroker.Manager.Reload") == ""


def trap() -> tuple[int, int]:
    """Return memory whose first use never ends, as that of a mapped FUSE file, and who tells of it.

    userfaultfd(2), ioctl_userfaultfd(2): UFFDIO_API, and UFFDIO_REGISTER for missing pages.
    """
    number = system_call(323, os.O_CLOEXEC)
    fcntl.ioctl(number, 0xC018AA3F, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0))
    fcntl.ioctl(number, 0xC020AA00, bytearray(struct.pack("QQQQ", address, 4096, 1, 0)))
    return int(address), number


def hold_line_discipline(slave: int, tells: int) -> Callable[[], None]:
    """Return what writes to a terminal without end, and changes its line discipline meanwhile.

    Who polls it then waits behind the change, which gives up after five seconds and begins anew.
    """

    def write(address: int) -> None:
        ctypes.CDLL(None).write(slave, ctypes.c_void_p(address), ctypes.c_size_t(1))

    def act() -> None:
        address, faults = trap()
        threading.Thread(target=write, args=(address,), daemon=True).start()
        select.select([faults], [], [])
        os.write(tells, b"!")
        while True:
            try:
                fcntl.ioctl(slave, termios.TIOCSETD, struct.pack("i", 0))
            except OSError:  # EBUSY, after five seconds
                continue

    return act


def test_a_terminal_that_cannot_be_polled(broker: RunningBroker) -> None:
    os.close(system_call(323, os.O_CLOEXEC))  # or the test is skipped here
    master, slave = map(OwnedFd, os.openpty())
    told, tells = map(OwnedFd, os.pipe2(os.O_CLOEXEC))
    with master, slave, told, tells:
        tty.setraw(slave.fileno())
        name, flags = os.ttyname(slave.fileno()), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
        slaves = [OwnedFd(os.open(name, flags)) for _ in range(3)]  # they would wait, too
        with child(hold_line_discipline(slave.fileno(), tells.fileno()), User()):
            take_byte(told.fileno())
            began = time.monotonic()
            for at, one in enumerate(slaves):  # one may come between two changes
                assert put_as(broker, ROOT, f"slots/tty-{at}", one.fileno()) == ""
            assert error(broker, OTHER, "WhoAmI") == ""
            assert time.monotonic() - began < SOON
        close_all(slaves)


def test_abandoned_puts_that_linger(broker: RunningBroker) -> None:
    """One socket that lingers in each packet of what is closed does not keep the rest waiting."""
    before = descriptors(broker.pid)["socket:"]
    rest = []
    for _ in range(12):
        sender, more = lingering(30)
        rest += more
        with Wire(broker.address, PERSON) as wire:
            deposit = wire.call("Put", item="slots/a", names=["a"]).descriptors[0]
            with sender:
                send(deposit, [sender.fileno()])
            for _ in range(60):
                assert wire.call("Put", item="slots/a", names=["a"]).error == ""
    began = time.monotonic()
    wait_until(lambda: descriptors(broker.pid)["socket:"] <= before + 4, "all to be closed")
    assert time.monotonic() - began < SOON
    for one in rest:
        one.close()


def test_too_much_on_its_way_to_others(tmp_path: Path) -> None:
    """A peer that does not read keeps others from getting anything; but the daemon lives."""
    with (
        running(Files(tmp_path, RULES), (sys.executable, "-c", CONFINED)) as broker,
        OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one,
    ):
        with Wire(broker.address, PERSON) as wire:
            assert put(wire, "slots/many", *[one.fileno()] * 100).error == ""
        unread = [Wire(broker.address, PERSON) for _ in range(10)]
        for wire in unread:
            wire.send(call("Get", resource="slots/many") * 3)
        wait_until(lambda: error(broker, OTHER, "Get", resource="slots/many") == "Busy", "no room")
        for _ in range(3):  # what came of each is closed by a child, which has to be made
            assert error(broker, OTHER, "Put", item="slots/mine", names=["a"]) == "Busy"
        for wire in unread:
            wire.close()
        wait_until(
            lambda: put_as(broker, OTHER, "slots/mine", one.fileno()) in {"", "ItemExists"},
            "others to be served",
        )


def test_no_room_to_receive_what_is_put(broker: RunningBroker) -> None:
    """The kernel installs what fits, and says so: none of it is kept (MSG_CTRUNC, unix(7))."""
    with (
        Wire(broker.address, PERSON) as wire,
        OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one,
    ):
        assert put(wire, "slots/first", one.fileno()).error == ""  # by a child that stays
        wait_until(lambda: held(broker.pid)["anon_inode:[eventfd]"] > 0, "it to be held")
        before = held(broker.pid)
        transaction = begin(wire, "slots/many", *[one.fileno()] * 100)
        _, hard = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir(f"/proc/{broker.pid}/fd"))
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (highest + 20, hard))
        assert wire.call("Commit", transaction=transaction).error == "Busy"
        assert wire.is_served()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert names(broker) == ["slots/first"]
        wait_until(lambda: held(broker.pid) == before, f"what it had open: {before}")
        assert put(wire, "slots/many", *[one.fileno()] * 100).error == ""


def pidfd_getfd(pid: int, number: int) -> OwnedFd:
    """Take a copy of another process's descriptor, as root may (pidfd_getfd(2))."""
    with OwnedFd(os.pidfd_open(pid)) as process:
        return OwnedFd(system_call(438, process.fileno(), number, 0))


def link_of(pid: int, name: str) -> str:
    """Return what a descriptor of a process is, "" where it was closed meanwhile."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}")
    except FileNotFoundError:
        return ""


def is_for_peers(number: int) -> bool:
    """Tell a peer's or a listener's socket from those to the service manager and to children.

    These are not streams, and others than the broker have made them.
    """
    with socket_of(number) as one:
        return one.type == socket.SOCK_STREAM


def test_the_brokers_own_as_contents(broker: RunningBroker) -> None:
    """Every socket to peers is refused, also to root, who alone can come by most of them."""
    with Wire(broker.address, PERSON) as wire:
        reply = wire.call("Put", item="slots/a", names=["a"])
        deposit = reply.descriptors[0]
        assert put_as(broker, PERSON, "slots/own", wire.socket.fileno()) == "InvalidArgument"
        assert put_as(broker, PERSON, "slots/own", deposit) == "InvalidArgument"
        refused = 0
        for name in os.listdir(f"/proc/{broker.pid}/fd"):
            link = link_of(broker.pid, name)
            if link.startswith("socket:"):
                with pidfd_getfd(broker.pid, int(name)) as own:
                    if is_for_peers(own.fileno()):
                        said = put_as(broker, ROOT, "slots/own", own.fileno())
                        assert said == "InvalidArgument", link
                        refused += 1
        assert refused >= 4, "two listeners, a connection, what wakes the loop"
        assert names(broker, ROOT) == []


def test_the_broker_itself_as_contents(broker: RunningBroker) -> None:
    """A pidfd of the broker is one like any other: it neither ends nor outlives anything."""
    with OwnedFd(os.pidfd_open(broker.pid)) as itself:
        assert put_as(broker, PERSON, "drops/itself", itself.fileno()) == ""
    assert names(broker) == ["drops/itself"]
    with Wire(broker.address, PERSON) as wire:
        (number,) = wire.call("Get", resource="drops/itself").descriptors
        with pytest.raises(PermissionError):
            as_person(lambda: signal.pidfd_send_signal(number, signal.SIGTERM))
        assert wire.is_served()
    assert broker.stop() == 0


def as_person(act: Callable[[], object]) -> None:
    """Do something without root's rights, in a child, and raise what it was refused with."""
    if in_child(lambda: expect_refused(act), PERSON) == 0:
        raise PermissionError


def expect_refused(act: Callable[[], object]) -> None:
    with pytest.raises(PermissionError):
        act()


def test_a_put_whose_peer_takes_no_descriptors(broker: RunningBroker) -> None:
    """It is told so, as with Get, and not hung up on."""
    with Wire(broker.address, PERSON) as wire:
        try:
            wire.socket.setsockopt(1, 83, 0)  # SO_PASSRIGHTS
        except OSError:
            needs.cannot("needs SO_PASSRIGHTS (Linux 6.16)")
        assert wire.call("Put", item="slots/a", names=["a"]).error == "OpenFailed"
        assert wire.is_served()


@pytest.mark.parametrize("new", ['store, names: "${user}/*"', "store, names: b-*", "pty"])
def test_other_names_before_the_commit(broker: RunningBroker, new: str) -> None:
    with (
        Wire(broker.address, PERSON) as wire,
        OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one,
    ):
        transaction = begin(wire, "slots/a-1", one.fileno())
        was = "slots: {kind: store, quota: {items: 5000, descriptors: 5000}}"
        reload(broker, was, f"slots: {{kind: {new}}}")
        assert wire.call("Commit", transaction=transaction).error == "Denied"
    assert broker.status()["store"]["items"] == 0


def test_read_only_from_now_on(broker: RunningBroker, tmp_path: Path) -> None:
    """What was put while a store shared everything does not become readable by that."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    writes = OwnedFd(os.open(secret, os.O_WRONLY | os.O_CLOEXEC))
    reads = OwnedFd(os.open(secret, os.O_RDONLY | os.O_CLOEXEC))
    pipe, pair = os.pipe2(os.O_CLOEXEC), os.openpty()
    made = [writes, *map(OwnedFd, (*pipe, *pair))]
    for at, one in enumerate([*made, reads]):
        assert put_as(broker, ROOT, f"other/{at}", one.fileno()) == ""
    reload(broker, "other: {kind: store}", "other: {kind: store, share: read-only}")
    for at in range(len(made)):
        assert error(broker, PERSON, "Get", resource=f"other/{at}") == "OpenFailed"
    assert error(broker, PERSON, "Get", resource=f"other/{len(made)}") == ""
    close_all([*made, reads])


def test_an_error_is_no_hang_up(broker: RunningBroker) -> None:
    """Whoever can refuse a datagram, or pretend to, does not have an item dropped."""
    one, other = socket.socketpair()
    with (
        socket.socket(type=socket.SOCK_DGRAM) as gone,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        gone.bind(("127.0.0.1", 0))
        udp.connect(gone.getsockname())
        gone.close()
        assert put_as(broker, PERSON, "drops/udp", udp.fileno()) == ""
        assert put_as(broker, PERSON, "drops/pair", one.fileno()) == ""
        udp.send(b"x")
        select.select([udp], [], [])  # the answer is an ICMP message
        one.close()
        other.close()
        wait_until(lambda: names(broker) == ["drops/udp"], "the pair's item to be dropped")


class Alarm:
    """An alarm that rings when it is asked to."""

    def __init__(self) -> None:
        self.rings: Callable[[], None] | None = None

    def set(self, _: int, rings: Callable[[], None]) -> None:
        self.rings = rings


def test_many_deadlines_at_once() -> None:
    """A few at a time: others are served between them."""
    items = {str(at): Item(str(at), 0, 0, 1, {}, (), "") for at in range(3 * MAX_AT_ONCE)}
    gone: list[str] = []
    alarm = Alarm()

    def expire(name: str) -> bool:
        gone.append(items.pop(name).name)
        return True

    expiry = Expiry(alarm, items, expire)  # type: ignore[arg-type]
    for item in list(items.values()):
        expiry.add(item)
    counts = []
    while alarm.rings is not None:
        rings, alarm.rings = alarm.rings, None
        rings()
        counts.append(len(gone))
    assert counts == [MAX_AT_ONCE, 2 * MAX_AT_ONCE, 3 * MAX_AT_ONCE]
