# SPDX-License-Identifier: MIT
"""Pipes: both ends, one end at a time, and no way from one to the other."""

import errno
import fcntl
import os

import pytest

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.kinds.pipe import KIND, PipeSpec
from fdbrokerd.model.key import Values
from fdbrokerd.opened import Opened
from tests.needs import need_root

from .made import USER, a_peer, a_request, a_resource
from .processes import in_child, open_numbers, room_for


def spec(**keys: object) -> PipeSpec:
    return KIND.spec(Values(keys), frozenset())


def opened(of: PipeSpec, name: str = "line", count: int = 1, /, **arguments: str) -> Opened:
    return KIND.open(of, a_request(name, count, **arguments), a_peer(), may_wait=False)


def test_what_is_written_at_one_end_is_read_at_the_other() -> None:
    made = opened(spec())
    assert made.names == KIND.descriptors == ("read", "write")
    read, write = made.descriptors
    for end in made.descriptors:
        assert fcntl.fcntl(end.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert not fcntl.fcntl(end.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK
    os.write(write.fileno(), b"text")
    assert os.read(read.fileno(), 9) == b"text"
    write.close()
    assert os.read(read.fileno(), 9) == b"", "the end of the stream"
    read.close()


@pytest.mark.parametrize("size", [4096, 1 << 20])
def test_its_size(size: int) -> None:
    made = opened(spec(size=size))
    for end in made.descriptors:
        assert fcntl.fcntl(end.fileno(), fcntl.F_GETPIPE_SZ) == size
    made.close()


def test_a_size_that_the_kernel_refuses_leaves_nothing_open() -> None:
    before = open_numbers()
    with pytest.raises(OSError, match="Invalid argument"):
        opened(PipeSpec(2**31 - 1 + 2**31, spec().holding))
    assert open_numbers() == before


def test_one_end_leads_to_the_other_for_nobody_else() -> None:
    need_root("to be another user")
    made = opened(spec())
    read, write = (end.fileno() for end in made.descriptors)

    def reopen() -> None:
        for number, flags in ((read, os.O_WRONLY), (write, os.O_RDONLY | os.O_NONBLOCK)):
            with pytest.raises(PermissionError):
                os.open(f"/proc/self/fd/{number}", flags)

    in_child(reopen, uid=USER)
    made.close()


@pytest.mark.parametrize("end", ["read", "write"])
def test_one_end_is_wanted_by_its_name_and_both_are_made(end: str) -> None:
    assert KIND.wanted(a_request("line/a", end=end)) == frozenset({end})
    made = opened(spec(), "line/a", 1, end=end)
    assert made.names == ("read", "write")
    made.close()
    assert KIND.wanted(a_request("line/a")) is None
    with pytest.raises(InvalidArgument, match="goes with a name") as refused:
        opened(spec(), "line", 1, end=end)
    assert refused.value.parameters()["argument"] == "end"


def test_there_are_two_ends() -> None:
    made = a_resource("line", "pipe", spec(), KIND.arguments)
    assert made.complete({"end": "read"}) == {"end": "read"}
    with pytest.raises(InvalidArgument):
        made.complete({"end": "both"})


def test_several_are_numbered_and_distinct() -> None:
    made = opened(spec(), "line", 2)
    assert made.names == ("read0", "write0", "read1", "write1")
    inodes = [os.fstat(end.fileno()).st_ino for end in made.descriptors]
    assert inodes[0] == inodes[1] != inodes[2] == inodes[3]
    made.close()


@pytest.mark.parametrize("room", range(4))
def test_all_of_them_or_none(room: int) -> None:
    def run_out() -> None:
        before = open_numbers()
        with room_for(room), pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
            opened(spec(), "line", 2)
        assert refused.value.errno == errno.EMFILE
        assert open_numbers() == before

    in_child(run_out)


@pytest.mark.parametrize(("keys", "once"), [({}, True), ({"ends": "once"}, True),
                                            ({"ends": "shared"}, False)])  # fmt: skip
def test_how_often_an_end_can_be_had(keys: dict[str, object], *, once: bool) -> None:
    holding = KIND.holding(spec(**keys))
    assert (holding.makes, holding.once, holding.accept) == (True, once, frozenset({"pipe"}))
    assert not KIND.may_block(spec())
