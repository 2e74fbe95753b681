# SPDX-License-Identifier: MIT
"""What a store asks: types, seals, nothing that can be written."""

import os
from fcntl import (
    F_ADD_SEALS,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    fcntl,
)
from pathlib import Path

import pytest

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import Refused, check, judge
from fdbrokerd.judge.memory import seals_of
from fdbrokerd.model.holding import SEALS, TYPES

from .judging import NOBODY, opened

ALL = frozenset(TYPES)
F_SEAL_FUTURE_WRITE = 0x10
F_SEAL_EXEC = 0x20
BITS = (F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_EXEC)


def memory(bits: int) -> OwnedFd:
    made = OwnedFd(os.memfd_create("m", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    fcntl(made.fileno(), F_ADD_SEALS, bits)
    return made


def complaint(
    number: int,
    accept: frozenset[str] = ALL,
    seals: tuple[str, ...] = (),
    *,
    read_only: bool = False,
) -> str | None:
    judged = judge(number, NOBODY)
    try:
        check(number, judged, accept, frozenset(seals), read_only=read_only)
    except Refused as refused:
        return refused.reason
    return None


def test_types() -> None:
    with OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one:
        assert complaint(one.fileno(), frozenset({"eventfd"})) is None
        said = complaint(one.fileno(), frozenset({"socket", "memfd"}))
        assert said == "of type eventfd (eventfd); taken here: memfd, socket"


@pytest.mark.parametrize(("bit", "name"), list(zip(BITS, SEALS, strict=True)))
def test_seals_have_their_names(bit: int, name: str) -> None:
    with memory(bit) as one:
        got = seals_of(one.fileno())
        assert name in got
        assert complaint(one.fileno(), seals=(name,)) is None


def test_missing_seals_are_named() -> None:
    with memory(F_SEAL_GROW) as one:
        said = complaint(one.fileno(), seals=("grow", "write", "future-write"))
        assert said == "not sealed: add F_SEAL_FUTURE_WRITE and F_SEAL_WRITE first"


def test_seals_are_for_memfds_only() -> None:
    with OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one:
        assert complaint(one.fileno(), seals=("write",)) is None


@pytest.mark.parametrize("bit", [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE])
def test_a_memfd_that_cannot_be_written_is_shared_for_reading(bit: int) -> None:
    with memory(bit | F_SEAL_SHRINK | F_SEAL_GROW) as one:
        assert complaint(one.fileno(), read_only=True) is None
    with memory(bit | F_SEAL_GROW) as one:
        said = complaint(one.fileno(), read_only=True)
        assert said is not None
        assert said.endswith("its size can be changed: add F_SEAL_SHRINK first")


def test_a_memfd_that_can_be_written_is_not() -> None:
    with memory(F_SEAL_GROW) as one:
        said = complaint(one.fileno(), read_only=True)
        assert said is not None
        assert "add F_SEAL_WRITE or F_SEAL_FUTURE_WRITE first" in said


def test_a_file_that_others_can_write_is_not_shared_for_reading(place: Path) -> None:
    path = place / "file"
    path.write_text("text")
    for mode, flags, said in (
        (0o644, os.O_RDONLY, None),
        (0o600, os.O_RDWR, None),
        (0o644, os.O_WRONLY, "open it with O_RDONLY"),
        (0o664, os.O_RDONLY, "chmod go-w"),
        (0o646, os.O_RDONLY, "chmod go-w"),
    ):
        path.chmod(mode)
        with OwnedFd(opened(str(path), flags)()) as one:
            found = complaint(one.fileno(), read_only=True)
            assert (found is None) if said is None else (found is not None and said in found)


def test_what_carries_both_ways_is_not_shared_for_reading() -> None:
    with OwnedFd(os.eventfd(0, os.EFD_CLOEXEC)) as one:
        assert complaint(one.fileno(), read_only=True) == (
            "type eventfd cannot be shared for reading only"
        )
