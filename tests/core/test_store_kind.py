# SPDX-License-Identifier: MIT
"""The kind `store`: what peers put, and nothing that it opens itself."""

import pickle

import pytest

from fdbrokerd.errors import NoSuchItem
from fdbrokerd.kinds import kind_of, kinds
from fdbrokerd.kinds.store import KIND
from fdbrokerd.model.key import Values

from .made import a_peer, a_request

HOLDERS = {"store", "memfd", "eventfd", "pipe", "socketpair"}


def test_what_nobody_put_is_not_there() -> None:
    spec = KIND.spec(Values(), frozenset())
    assert not KIND.may_block(spec)
    for name in ("slots/a", "slots"):
        with pytest.raises(NoSuchItem) as refused:
            KIND.open(spec, a_request(name), a_peer(), may_wait=False)
        assert refused.value.parameters() == {"item": name}


def test_which_kinds_hold_items() -> None:
    for name in kinds():
        kind = kind_of(name)
        required = {"access": "read", "path": "/x"} if name == "file" else {}
        spec = kind.spec(Values(required), frozenset())
        holding = kind.holding(spec)
        assert (holding is not None) is (name in HOLDERS)
        assert ("list" in kind.verbs) is (holding is not None)
        assert ("put" in kind.verbs) is ("take" in kind.verbs) is (name == "store")
        if holding is not None:
            assert holding.makes is (name != "store")
            assert len(holding.accept) == 1 or not holding.makes
        assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 (our own)
