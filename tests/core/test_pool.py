# SPDX-License-Identifier: MIT
"""The pool of children, on both loops: what comes back, what is counted, what is given up."""

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from fdbrokerd import kinds
from fdbrokerd.errors import Busy, CallError, LimitReached, OpenFailed, TimedOut
from fdbrokerd.fd import OwnedFd
from fdbrokerd.opened import Opened
from fdbrokerd.opener import pool as module
from fdbrokerd.opener.child import serve
from fdbrokerd.opener.idle import IDLE_CHILDREN
from fdbrokerd.opener.pool import Pool
from fdbrokerd.opener.zygote import Child

from .bench import Bench
from .made import OTHER, USER, file_spec, only_one
from .processes import readable
from .strange import Strange
from .test_zygote import a_zygote

if find_spec("uvloop") is not None:
    # Its first loop opens a pipe for the process's whole life.
    import_module("uvloop").new_event_loop().close()

LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(
    find_spec("uvloop") is None, reason="uvloop is not installed"))]  # fmt: skip


@pytest.fixture(params=LOOPS)
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    strange = SimpleNamespace(name="strange", open=Strange().open)
    monkeypatch.setattr(kinds, "_OURS", {**kinds._OURS, "strange": strange})
    with a_zygote(serve) as (zygote, _):
        loop = import_module(request.param).new_event_loop()
        pool = Pool(zygote, loop)
        yield Bench(pool, loop)
        pool.close()
        loop.close()


def test_a_child_opens(bench: Bench, place: Path) -> None:
    (place / "file").write_bytes(b"text")
    made = bench.open("file", file_spec(root=str(place), path="${uid}"), uid=USER)
    assert isinstance(made, OpenFailed)
    assert (made.errnoName, made.resource) == ("ENOENT", "thing")
    assert "No such file" in str(made.__cause__)
    made = bench.open("file", file_spec(root=str(place), path="file"))
    assert isinstance(made, Opened)
    with only_one(made) as one:
        assert os.read(one.fileno(), 9) == b"text"
        assert not os.get_inheritable(one.fileno())


def test_names_and_order_are_kept(bench: Bench) -> None:
    made = bench.open("strange", "two")
    assert isinstance(made, Opened)
    assert made.names == ("a", "b")
    made.close()
    made = bench.open("strange", "many")
    assert isinstance(made, Opened)
    assert len(made.descriptors) == 253
    made.close()


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("busy", Busy),
        ("die", OpenFailed),
        ("fault", OpenFailed),
        ("{", OpenFailed),
        ('{"names": ["\udcff"]}', OpenFailed),
        ("twice", OpenFailed),
        ('{"error": "no.such.Error"}', OpenFailed),
        ('{"error": "io.fdbroker.Broker.Busy", "parameters": {"zz": 1}}', OpenFailed),
    ],
)
def test_errors_come_through(bench: Bench, spec: str, error: type[CallError]) -> None:
    made = bench.open("strange", spec)
    assert isinstance(made, error)
    assert made.parameters()["resource"] == "thing"
    assert bench.pid(), "and the next one is served"


def test_fewer_descriptors_than_it_says_are_our_own_limit(bench: Bench) -> None:
    assert isinstance(bench.open("strange", '{"names": ["one"]}'), Busy)
    (idle,) = bench.pool._idle  # it was killed, and is replaced once that is so
    assert readable(idle.pidfd.fileno())
    assert bench.pid()


def test_an_idle_child_is_used_again(bench: Bench) -> None:
    first = bench.pid()
    assert bench.pid() == first
    bench.open("strange", "busy")
    assert bench.pid() == first


def test_only_a_few_stay_idle(bench: Bench) -> None:
    for uid in range(USER, USER + 4):
        bench.start("strange", "ok", uid)
    bench.until(lambda: len(bench.outcomes) == 4)
    for made in bench.outcomes:
        assert isinstance(made, Opened)
        made.close()
    assert len(bench.pool._idle) == IDLE_CHILDREN


def test_an_idle_child_that_was_killed_is_replaced(bench: Bench) -> None:
    first = bench.pid()
    (idle,) = bench.pool._idle
    idle.kill()
    with OwnedFd.copy_of(idle.pidfd.fileno()) as pidfd:
        assert readable(pidfd.fileno())
    assert bench.pid() != first


@pytest.fixture
def hanging(bench: Bench, place: Path) -> Iterator[str]:
    """Return the path of a FIFO that opening hangs on, until the end."""
    os.mkfifo(place / "fifo")
    yield str(place / "fifo")
    bench.until(lambda: not bench.pool._given_up)


def test_what_hangs_is_given_up(bench: Bench, hanging: str) -> None:
    made = bench.open("strange", "hang", path=hanging)
    assert isinstance(made, TimedOut)
    assert made.resource == "thing"
    assert not bench.pool._opening
    assert bench.pid()


def test_a_uid_that_hangs_has_its_share_and_others_theirs(bench: Bench, hanging: str) -> None:
    for _ in range(module.MAX_OPENING_PER_UID):
        bench.start("strange", "hang", path=hanging)
    with pytest.raises(LimitReached) as refused:
        bench.start("strange", "ok")
    assert refused.value.limit == "openers"
    made = bench.open("strange", "ok", OTHER)
    assert isinstance(made, Opened)
    made.close()
    bench.until(lambda: sum(isinstance(one, TimedOut) for one in bench.outcomes) == 4)
    bench.until(lambda: not bench.pool._given_up)
    assert bench.pid(), "and they are given back"


def test_children_that_no_signal_ends_stay_counted(bench: Bench, hanging: str) -> None:
    """In D state, say: that cannot be made without FUSE, so the signal is kept back instead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Child, "kill", lambda _: None)
        for _ in range(module.MAX_OPENING_PER_UID):
            bench.start("strange", "hang", path=hanging)
        bench.until(lambda: len(bench.outcomes) == module.MAX_OPENING_PER_UID)
        with pytest.raises(LimitReached):
            bench.start("strange", "ok")
    for work in bench.pool._given_up:
        work.child.kill()
    bench.until(lambda: not bench.pool._given_up)
    assert bench.pid()


def test_there_is_a_limit_for_all(
    bench: Bench, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPENING", 3)
    for uid in range(3):
        bench.start("strange", "hang", uid, path=hanging)
    with pytest.raises(Busy):
        bench.start("strange", "ok", 3)
    bench.until(lambda: len(bench.outcomes) == 3)


def test_copying_children_are_counted_apart(
    bench: Bench, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_COPYING_PER_UID", 2)
    monkeypatch.setattr(module, "MAX_COPYING", 3)
    (place / "log").write_bytes(b"")
    spec = file_spec(root=str(place), path="log", access="append", deliver="pipe")
    ends = []
    for uid in (USER, USER, OTHER):
        made = bench.open("file", spec, uid)
        assert isinstance(made, Opened)
        ends.append(only_one(made))
    assert len(bench.pool._copying) == 3
    with pytest.raises(LimitReached) as refused:
        bench.start("file", spec, USER)
    assert refused.value.limit == "pipes"
    with pytest.raises(Busy):
        bench.start("file", spec, OTHER)
    os.write(ends[0].fileno(), b"line\n")
    for end in ends:
        end.close()
    bench.until(lambda: not bench.pool._copying)
    assert (place / "log").read_bytes() == b"line\n"
    assert not bench.pool._idle, "a child that copied is of no more use"


def test_closing_ends_them_all(bench: Bench, place: Path) -> None:
    os.mkfifo(place / "fifo")
    bench.start("strange", "hang", path=str(place / "fifo"))
    (work,) = bench.pool._opening
    with OwnedFd.copy_of(work.child.pidfd.fileno()) as pidfd:
        bench.pool.close()
        assert readable(pidfd.fileno())
    assert not bench.outcomes
