# SPDX-License-Identifier: MIT
"""The decision by itself: `decide` among many rules that are about others, and among few."""

import os
import timeit
from collections.abc import Callable, Mapping
from functools import partial

from bench.measured import Measured
from bench.peers.rules import ruleset
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import NO_ARGUMENTS, Request
from fdbrokerd.policy import decide
from fdbrokerd.rules import loader

Decision = Callable[[], object]

DECISION = "decision among {count} rules"

COUNTS = (1, 10, 100, 1000)

_TIMES = 1000


def measure(rounds: int, measured: Measured) -> None:
    """Decide the same request by rulesets of each size, in turn."""
    decisions = {count: _decision(count) for count in COUNTS}
    for _ in range(rounds):
        _round(decisions, measured)


def _decision(count: int) -> Decision:
    rules = loader.load_text(ruleset("/srv", count), "bench.yaml")
    gid = os.getegid()
    peer = Peer(pid=1, uid=os.geteuid(), gid=gid, groups=frozenset({gid}))
    return partial(decide, rules, peer, Request("get", "store/one", NO_ARGUMENTS))


def _round(decisions: Mapping[int, Decision], measured: Measured) -> None:
    for count, one in decisions.items():
        least = min(timeit.repeat(one, number=_TIMES // 10, repeat=10))
        measured.add_figure(DECISION.format(count=count), least / (_TIMES // 10) * 1e9)
