# SPDX-License-Identifier: MIT
"""Owning descriptors: closed once, by one owner, and never somebody else's."""

import fcntl
import os
import posix
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import fdbrokerd
from fdbrokerd.fd import OwnedFd, close_all

from .processes import in_child


def a_number() -> int:
    return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


def test_it_closes_once_and_never_a_number_that_is_used_again() -> None:
    owned = OwnedFd(a_number())
    number = owned.fileno()
    owned.close()
    assert owned.closed
    again = a_number()
    assert again == number, "the kernel gives the lowest number"
    owned.close()
    assert os.fstat(again)
    os.close(again)


@pytest.mark.parametrize("give_up", [OwnedFd.close, OwnedFd.detach])
def test_a_late_use_is_an_error(give_up: Callable[[OwnedFd], object]) -> None:
    number = a_number()
    owned = OwnedFd(number)
    give_up(owned)
    for use in (owned.fileno, owned.detach):
        with pytest.raises(ValueError, match="closed or detached"):
            use()
    assert repr(owned) == "<OwnedFd closed>"
    if give_up is OwnedFd.detach:
        os.close(number)


def test_a_descriptor_that_somebody_else_closed_is_a_fault() -> None:
    owned = OwnedFd(a_number())
    os.close(owned.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        owned.close()
    assert owned.closed


def test_other_errors_of_close_are_nothing_to_act_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file system here fails in close(2), so the kernel's answer is made up."""
    closed: list[int] = []

    def close(number: int) -> None:
        closed.append(number)
        raise InterruptedError(4, "Interrupted system call")

    number = a_number()
    with monkeypatch.context() as patch:
        patch.setattr(posix, "close", close)
        OwnedFd(number).close()
    assert closed == [number]
    os.close(number)


def test_zero_is_a_descriptor_and_a_negative_number_is_none() -> None:
    with pytest.raises(ValueError, match="not a descriptor: -1"):
        OwnedFd(-1)

    def close_zero() -> None:
        owned = OwnedFd(0)
        assert not owned.closed
        owned.close()
        assert a_number() == 0

    in_child(close_zero)


def test_a_copy_is_close_on_exec_and_another_descriptor() -> None:
    with OwnedFd(a_number()) as owned, OwnedFd.copy_of(owned.fileno()) as copy:
        assert copy.fileno() != owned.fileno()
        assert fcntl.fcntl(copy.fileno(), fcntl.F_GETFD) == fcntl.FD_CLOEXEC


def test_a_lost_one_is_closed_and_said() -> None:
    number = a_number()
    with pytest.warns(ResourceWarning, match=rf"<OwnedFd {number}> was never closed"):
        OwnedFd(number)  # no name keeps it
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_with_closes_on_every_way_out() -> None:
    with pytest.raises(KeyError), OwnedFd(a_number()) as owned:
        raise KeyError
    assert owned.closed


def test_all_of_them_are_closed() -> None:
    several = [OwnedFd(a_number()) for _ in range(3)]
    several[1].close()
    close_all(several)
    assert all(one.closed for one in several)


def test_only_one_file_of_the_package_closes_numbers() -> None:
    package = Path(fdbrokerd.__file__ or sys.exit()).parent
    using = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\b(os|posix)\.close\(|from (os|posix) import .*\bclose\b", path.read_text())
    }
    assert using == {"fd.py"}
