# SPDX-License-Identifier: MIT
"""Memory: its size, its seals, and what is refused when the rules are read."""

import errno
import fcntl
import mmap
import os
import stat

import pytest

from fdbrokerd.kinds import memory
from fdbrokerd.kinds.memfd import KIND, MAX_MEMFD_BYTES, MemfdSpec
from fdbrokerd.model.key import KeyRefused, Values
from fdbrokerd.opened import Opened

from .made import a_peer, a_request
from .processes import in_child, open_numbers, room_for

SEAL, SHRINK, GROW, EXEC = 1, 2, 4, 0x20


def spec(**keys: object) -> MemfdSpec:
    return KIND.spec(Values(keys), frozenset())


def opened(of: MemfdSpec, name: str = "pad", count: int = 1) -> Opened:
    return KIND.open(of, a_request(name, count), a_peer(), may_wait=False)


def seals(number: int) -> int:
    return fcntl.fcntl(number, fcntl.F_GET_SEALS)


@pytest.mark.parametrize("size", [0, 1, 4097, 1 << 20])
def test_it_is_as_large_as_configured_and_shared(size: int) -> None:
    made = opened(spec(size=size) if size else spec())
    assert made.names == KIND.descriptors == ("memfd",)
    number = made.descriptors[0].fileno()
    assert os.fstat(number).st_size == size
    assert fcntl.fcntl(number, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    if size:
        with mmap.mmap(number, size) as view:
            view[0] = 7
        assert os.pread(number, 1, 0) == b"\x07"
    made.close()


@pytest.mark.parametrize("name", ["pad", "pad/alice/frame", "p" * 64 + "/" + "x" * 180])
def test_it_is_called_as_its_resource(name: str) -> None:
    with opened(spec(), name).descriptors[0] as one:
        link = os.readlink(f"/proc/self/fd/{one.fileno()}")
    assert link == f"/memfd:{name.partition('/')[0]} (deleted)"


def test_it_is_never_executable() -> None:
    with opened(spec()).descriptors[0] as one:
        if not seals(one.fileno()) & EXEC:
            pytest.skip("before Linux 6.3")
        assert not os.fstat(one.fileno()).st_mode & (stat.S_IXUSR | stat.S_IXOTH)
        with pytest.raises(PermissionError):
            os.fchmod(one.fileno(), 0o777)


def test_an_older_kernel_makes_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MFD_NOEXEC_SEAL", 1 << 20)  # EINVAL, as it was before 6.3
    with opened(spec(size=5)).descriptors[0] as one:
        assert os.fstat(one.fileno()).st_size == 5
        assert not seals(one.fileno()) & EXEC


@pytest.mark.parametrize(
    ("words", "bits"),
    [((), 0), (("grow", "shrink"), GROW | SHRINK), (("seal",), SEAL), (("exec",), EXEC)],
)
def test_seals(words: tuple[str, ...], bits: int) -> None:
    with opened(spec(size=4096, seals=words)).descriptors[0] as one:
        assert seals(one.fileno()) & ~EXEC == bits & ~EXEC
        assert seals(one.fileno()) & bits == bits
        assert os.pwrite(one.fileno(), b"x", 0) == 1
        if bits & GROW:
            with pytest.raises(PermissionError):
                os.ftruncate(one.fileno(), 4097)
        if bits & SEAL:
            with pytest.raises(PermissionError):
                fcntl.fcntl(one.fileno(), fcntl.F_ADD_SEALS, GROW)
        else:
            fcntl.fcntl(one.fileno(), fcntl.F_ADD_SEALS, GROW)


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ({"size": 1, "seals": ("grow", "write")}, "seals.1", "nothing to write"),
        ({"size": 1, "seals": ("future-write",)}, "seals.0", "nothing to write"),
        ({"seals": ("grow",)}, "seals", "grow without a size"),
        ({"seals": ("seal", "seal")}, "seals.1", "seal is there twice"),
    ],
)
def test_what_would_be_of_no_use_is_refused(keys: dict[str, object], key: str, said: str) -> None:
    with pytest.raises(KeyRefused, match=said) as refused:
        spec(**keys)
    assert refused.value.key == key


def test_several_are_numbered_and_distinct() -> None:
    made = opened(spec(size=3), count=3)
    assert made.names == ("memfd0", "memfd1", "memfd2")
    inodes = {os.fstat(one.fileno()).st_ino for one in made.descriptors}
    assert len(inodes) == 3
    made.close()


@pytest.mark.parametrize("room", range(3))
def test_all_of_them_or_none(room: int) -> None:
    def run_out() -> None:
        before = open_numbers()
        with room_for(room), pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
            opened(spec(), count=3)
        assert refused.value.errno == errno.EMFILE
        assert open_numbers() == before

    in_child(run_out)


def test_a_seal_that_the_kernel_refuses_leaves_nothing_open() -> None:
    before = open_numbers()
    broken = MemfdSpec(0, 1 << 30, spec().holding)
    with pytest.raises(OSError, match="Invalid argument"):
        opened(broken)
    assert open_numbers() == before


def test_how_it_holds_items() -> None:
    made = spec(size=MAX_MEMFD_BYTES)
    assert KIND.holding(made).makes
    assert KIND.holding(made).accept == {"memfd"}
    assert not KIND.holding(made).once
    assert not KIND.may_block(made)
