# SPDX-License-Identifier: MIT
"""What is remembered of denials: the last ones, of each uid its own."""

import pytest

from fdbrokerd import denials
from fdbrokerd.audit import Record
from fdbrokerd.denials import Denials
from fdbrokerd.exchange import Caller
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.ruleset import NOTHING

from .made import a_peer


def _no_process() -> OwnedFd:
    raise AssertionError("nobody asks for the process")


def _deny(book: Denials, name: str, uid: int) -> None:
    record = Record(a_peer(uid), name)
    record.resource = "thing"
    book.add(record, Caller(a_peer(uid), _no_process), "get", NOTHING)


def _known(book: Denials, names: list[str]) -> list[str]:
    return [name for name in names if book.find(name) is not None]


def test_nobody_pushes_out_the_denials_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "MAX_DENIALS_PER_UID", 3)
    book = Denials()
    _deny(book, "honest", 1000)
    flood = [f"flood-{index}" for index in range(9)]
    for name in flood:
        _deny(book, name, 1001)
    assert _known(book, ["honest"]) == ["honest"]
    assert _known(book, flood) == flood[-3:]


def test_of_many_uids_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "MAX_DENIALS", 3)
    book = Denials()
    names = [f"of-{uid}" for uid in range(1000, 1007)]
    for uid, name in zip(range(1000, 1007), names, strict=True):
        _deny(book, name, uid)
    assert _known(book, names) == names[-3:]
    assert set(book._of_uid) == {1004, 1005, 1006}
