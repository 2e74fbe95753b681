# SPDX-License-Identifier: MIT
"""Items that a Get makes: the same for all who ask, or each end once; and what only reads."""

import fcntl
import os
import select
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fdbrokerd.fd import OwnedFd

from .broker import COMMANDS, Files, RunningBroker, running
from .identity import User
from .items import (
    FOR_EVER,
    OTHER,
    PERSON,
    ROOT,
    THIRD,
    ask,
    error,
    listed,
    names,
    put_as,
    same,
    socket_of,
    streaming,
    told,
    unchanged,
    waiting,
)
from .process import PATIENCE, wait_until
from .wire import Reply, Wire, call

STORES = ("memory", "bells", "pipes", "pairs", "both", "linked", "reads", "brief", "one")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
RULES = """
resources:
  memory: {kind: memfd, size: 4K, quota: {items: 2}}
  bells: {kind: eventfd}
  brief: {kind: eventfd, ttl: {max: 1s}}
  pipes: {kind: pipe}
  both: {kind: pipe, ends: shared}
  pairs: {kind: socketpair}
  linked: {kind: socketpair, ends: shared}
  one: {kind: socketpair, type: seqpacket}
  reads: {kind: store, share: read-only}
rules:
  - {id: made, allow: [memory, bells, brief, pipes, both, pairs, linked], do: [get, remove, list, watch], peer: {uid: [1000, 1001]}}
  - {id: reader, allow: one, do: [get], with: {end: a}, peer: {uid: 1000}}
  - {id: writer, allow: one, do: [get], with: {end: b}, peer: {uid: 1001}}
  - {id: reads, allow: reads, do: [get, put, take, remove], peer: {uid: [1000, 1001, 1002]}}
  - {id: anything, allow: "*", do: [put, take], peer: {uid: 1002}}
  - {id: root, allow: [memory, bells, brief, pipes, both, pairs, linked, one, reads], do: [list, remove], peer: {uid: 0}}
  - {id: root-too, allow: reads, do: [get, put], peer: {uid: 0}}
"""  # noqa: E501 (rules read best a line each)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, loop: str) -> Iterator[RunningBroker]:
    with running(Files(tmp_path_factory.mktemp("made"), RULES), COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(serving: RunningBroker) -> Iterator[RunningBroker]:
    with unchanged(serving, *STORES) as broker:
        yield broker


# Got or made.


@pytest.mark.parametrize("name", ["memory/a", "bells/a", "both/a"])
def test_all_who_ask_get_the_same(broker: RunningBroker, name: str) -> None:
    with Wire(broker.address, PERSON) as one, Wire(broker.address, OTHER) as other:
        got, again = one.call("Get", resource=name), other.call("Get", resource=name)
        assert [one["name"] for one in got.parameters["descriptors"]] == [
            one["name"] for one in again.parameters["descriptors"]
        ]
        for mine, theirs in zip(got.descriptors, again.descriptors, strict=True):
            assert same(mine, theirs)
    assert listed(broker, name)["owner"] == 1000
    assert len(names(broker)) == 1


def test_one_wakes_another(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as one, Wire(broker.address, OTHER) as other:
        (sleeps,) = one.call("Get", resource="bells/a").descriptors
        (wakes,) = other.call("Get", resource="bells/a").descriptors
        os.eventfd_write(wakes, 3)
        assert select.select([sleeps], [], [], PATIENCE)[0]
        assert os.eventfd_read(sleeps) == 3


@pytest.mark.parametrize("name", ["memory", "bells", "linked"])
def test_many_who_ask_at_once(broker: RunningBroker, name: str) -> None:
    """A socket pair is made in a child: others ask while it is. It is made once all the same."""
    with ExitStack() as stack:
        users = [PERSON, OTHER] * 4
        wires = [stack.enter_context(Wire(broker.address, user)) for user in users]
        for wire in wires:
            wire.send(call("Get", resource=f"{name}/a", waitUSec=0))
        replies = [wire.receive() for wire in wires]
        assert {reply.error for reply in replies} == {""}
        assert all(same(replies[0].descriptors[0], one.descriptors[0]) for one in replies)
    assert names(broker) == [f"{name}/a"]


def test_what_nobody_may_make_more_of(broker: RunningBroker) -> None:
    for at in range(2):
        assert error(broker, PERSON, "Get", resource=f"memory/{at}") == ""
    reply = ask(broker, PERSON, "Get", resource="memory/2")
    assert reply.parameters == {"limit": "items"}
    assert error(broker, PERSON, "Get", resource="memory/1") == "", "what is there is had"
    assert error(broker, OTHER, "Get", resource="memory/2") == "", "another one's is not full"


def test_it_goes_in_its_time(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as watch:
        streaming(watch, "brief")
        assert error(broker, PERSON, "Get", resource="brief/a") == ""
        assert told(watch, 3) == ["ready brief", "added brief/a", "expired brief/a"]


def test_what_was_removed_is_made_anew(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as wire:
        (first,) = wire.call("Get", resource="bells/a").descriptors
        assert wire.call("Remove", item="bells/a").error == ""
        (second,) = wire.call("Get", resource="bells/a").descriptors
        assert not same(first, second)


def test_a_verb_that_its_kind_lacks_is_allowed_by_nothing(broker: RunningBroker) -> None:
    """A rule about `*` that says `put` means the stores."""
    assert error(broker, THIRD, "Put", item="reads/a", names=["x"]) == ""
    for store in ("memory", "bells", "pipes", "pairs"):
        assert error(broker, THIRD, "Put", item=f"{store}/a", names=["x"]) == "Denied"
        assert error(broker, THIRD, "Take", item=f"{store}/a") == "Denied"
        assert (
            ask(broker, THIRD, "Explain", resource=f"{store}/a", do="put").parameters["allowed"]
            is False
        )


# Ends, each once.


def end(wire: Wire, name: str, which: str, **more: object) -> Reply:
    return wire.call("Get", resource=name, arguments={"end": which}, **more)


def test_each_end_of_a_pipe_is_had_once(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as reader, Wire(broker.address, OTHER) as writer:
        (read,) = end(reader, "pipes/a", "read").descriptors
        assert end(writer, "pipes/a", "read").error == "Busy"
        assert writer.call("Get", resource="pipes/a").error == "Busy", "both, or none"
        assert [one["name"] for one in listed(broker, "pipes/a")["descriptors"]] == ["write"]
        (write,) = end(writer, "pipes/a", "write").descriptors
        os.write(write, b"x")
        assert os.read(read, 9) == b"x"
        writer.close_descriptors()
        assert os.read(read, 9) == b"", "the broker has no writer"
    assert names(broker) == []


def test_a_writer_sees_the_reader_go(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as reader, Wire(broker.address, OTHER) as writer:
        end(reader, "pipes/a", "read")
        (write,) = end(writer, "pipes/a", "write").descriptors
        reader.close_descriptors()
        wait_until(lambda: bool(select.select([], [write], [], 0)[1]), "the reader to be gone")

        def is_broken() -> bool:
            try:
                os.write(write, b"x")
            except BrokenPipeError:
                return True
            return False

        wait_until(is_broken, "EPIPE")


def test_both_ends_at_once_go_to_one_peer(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as watch, Wire(broker.address, PERSON) as wire:
        streaming(watch, "pipes")
        assert len(wire.call("Get", resource="pipes/a").descriptors) == 2
        assert told(watch, 3) == ["ready pipes", "added pipes/a", "removed pipes/a"]
    assert names(broker) == []


def test_who_wants_an_end_that_is_gone_waits_for_the_next_one(broker: RunningBroker) -> None:
    with (
        Wire(broker.address, PERSON) as first,
        Wire(broker.address, OTHER) as second,
        Wire(broker.address, PERSON) as writer,
    ):
        (read,) = end(first, "pipes/a", "read").descriptors
        data = {"resource": "pipes/a", "arguments": {"end": "read"}, "waitUSec": FOR_EVER}
        waiting(second, "Get", **data)
        assert error(broker, PERSON, "Get", resource="pipes/none", arguments={"end": "x"})
        (write,) = end(writer, "pipes/a", "write").descriptors
        (next_read,) = second.receive().descriptors
        assert not same(read, next_read)
        os.write(write, b"x")
        assert os.read(read, 1) == b"x"
        (next_write,) = end(writer, "pipes/a", "write").descriptors
        os.write(next_write, b"y")
        assert os.read(next_read, 1) == b"y"


def test_an_end_that_its_peer_refuses_is_given_back(broker: RunningBroker) -> None:
    def refuse(connecting: socket.socket) -> None:
        connecting.setsockopt(socket.SOL_SOCKET, 83, 0)

    with Wire(broker.address, PERSON, refuse) as wire, Wire(broker.address, OTHER) as other:
        assert end(wire, "pipes/a", "read").error == "OpenFailed"
        assert len(end(other, "pipes/a", "read").descriptors) == 1
        assert len(end(other, "pipes/a", "write").descriptors) == 1


def test_the_rules_decide_about_each_end(broker: RunningBroker) -> None:
    with Wire(broker.address, PERSON) as one, Wire(broker.address, OTHER) as other:
        assert end(one, "one/a", "b").error == "Denied"
        assert end(other, "one/a", "a").error == "Denied"
        assert one.call("Get", resource="one/a").error == "Denied"
        (a,) = end(one, "one/a", "a").descriptors
        (b,) = end(other, "one/a", "b").descriptors
        with socket_of(a) as mine, socket_of(b) as theirs:
            mine.send(b"one")
            mine.send(b"two")
            assert [theirs.recv(9), theirs.recv(9)] == [b"one", b"two"]
        one.close_descriptors()
        with socket_of(b) as theirs:
            assert theirs.recv(9) == b""


LOOK = """
import socket, struct, sys
end = socket.socket(fileno=int(sys.argv[1]))
print(*struct.unpack("iII", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
"""


@pytest.mark.parametrize("name", ["pairs", "pairs/a"])
def test_a_pair_says_who_asked_for_it(broker: RunningBroker, name: str) -> None:
    """To a third process, too: never root, though the broker is."""
    user = User(1000, 1000)
    with Wire(broker.address, user) as wire:
        for number in wire.call("Get", resource=name).descriptors:
            said = subprocess.run(
                [
                    "setpriv",
                    "--reuid=1002",
                    "--regid=1002",
                    "--clear-groups",
                    "/usr/bin/python3",
                    "-c",
                    LOOK,
                    str(number),
                ],
                pass_fds=[number],
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE,
            ).stdout
            assert said.split()[1:] == ["1000", "1000"]
            with socket_of(number) as here:
                told = here.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                assert struct.unpack("iII", told)[0] != broker.pid


# What only reads.

REOPEN = """
import os, sys
path = "/proc/self/fd/" + sys.argv[1]
def attempt(what):
    try:
        what()
    except OSError as error:
        print(error.errno, end=" ")
    else:
        print("done", end=" ")
def write():
    number = os.open(path, os.O_RDWR)
    if os.write(number, b"x"):
        print("written", end=" ")
attempt(lambda: os.write(int(sys.argv[1]), b"x"))
attempt(write)
attempt(lambda: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)))
attempt(lambda: os.ftruncate(os.open(path, os.O_RDWR), 0))
attempt(lambda: os.fchmod(int(sys.argv[1]), 0o777))
"""


def reopen(number: int, user: User) -> list[str]:
    """Return what comes of each way to write to what was handed out, as a user."""
    return subprocess.run(
        [
            "setpriv",
            f"--reuid={user.uid}",
            f"--regid={user.uid}",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            REOPEN,
            str(number),
        ],
        pass_fds=[number],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout.split()


def memory(seals: int) -> OwnedFd:
    made = OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    os.write(made.fileno(), b"text")
    fcntl.fcntl(made.fileno(), fcntl.F_ADD_SEALS, seals)
    return made


def test_a_memfd_stays_as_it_is(broker: RunningBroker) -> None:
    with memory(SEALS) as one, Wire(broker.address, OTHER) as wire:
        assert put_as(broker, PERSON, "reads/a", one.fileno()) == ""
        (got,) = wire.call("Get", resource="reads/a").descriptors
        assert same(got, one.fileno())
        assert fcntl.fcntl(got, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert "done" not in reopen(got, THIRD)
        assert os.pread(one.fileno(), 9, 0) == b"text"


@pytest.mark.parametrize(
    "seals",
    [
        0,
        fcntl.F_SEAL_WRITE,
        fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW,
        fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK,
        fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW,
    ],
)
def test_one_that_can_be_changed_is_not_taken(broker: RunningBroker, seals: int) -> None:
    with memory(seals) as one:
        assert put_as(broker, PERSON, "reads/a", one.fileno()) == "InvalidArgument"


def test_a_file_stays_as_it_is(broker: RunningBroker) -> None:
    path = broker.files.directory / "file"
    path.write_text("0123456789")
    path.chmod(0o644)
    with OwnedFd(os.open(path, os.O_RDWR)) as one, Wire(broker.address, OTHER) as wire:
        assert put_as(broker, ROOT, "reads/a", one.fileno()) == ""
        (got,) = wire.call("Get", resource="reads/a").descriptors
        (again,) = wire.call("Get", resource="reads/a").descriptors
        assert same(got, one.fileno())
        assert os.read(got, 4) == b"0123"
        assert os.read(again, 2) == b"01", "the offset is its own"
        assert os.lseek(one.fileno(), 0, os.SEEK_CUR) == 0
        assert "done" not in reopen(got, THIRD)
        assert fcntl.fcntl(got, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK) == os.O_RDONLY
        assert path.read_text() == "0123456789"


def test_its_owner_does_not_get_it(broker: RunningBroker) -> None:
    """Who could change its mode could write to it."""
    path = broker.files.directory / "owned"
    path.write_text("text")
    os.chown(path, 1001, 1001)
    path.chmod(0o444)
    with OwnedFd(os.open(path, os.O_RDONLY)) as one:
        assert put_as(broker, PERSON, "reads/a", one.fileno()) == ""
        reply = ask(broker, OTHER, "Get", resource="reads/a")
        assert (reply.error, reply.parameters["errnoName"]) == ("OpenFailed", "EACCES")
        assert error(broker, OTHER, "Take", item="reads/a") == "OpenFailed"
        assert error(broker, PERSON, "Get", resource="reads/a") == "", "it is not reserved"
        path.chmod(0o666)
        assert error(broker, PERSON, "Get", resource="reads/a") == "OpenFailed"
