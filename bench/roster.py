# SPDX-License-Identifier: MIT
"""Everybody who takes part, started; who cannot is noted with the reason."""

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from os import geteuid
from pathlib import Path

from bench.ground import Ground
from bench.measured import Measured
from bench.peers.asyncvarlink import asyncvarlink
from bench.peers.broker import NAME, Setting, broker
from bench.peers.floor import floor
from bench.peers.peer import Peer
from bench.peers.s6 import s6
from bench.peers.seatd import seatd
from bench.peers.sharer import sharer
from bench.work import (
    ASYNCVARLINK,
    FACTS,
    FEW_RULES,
    FLOOR,
    MANY_RULES,
    NO_AUDIT,
    S6,
    SEATD,
    SHARER,
    SOME_RULES,
)

Start = Callable[[Ground, Path], AbstractContextManager[Peer]]

_EVERYBODY: dict[str, Start] = {
    FLOOR: floor,
    S6: s6,
    SEATD: seatd,
    ASYNCVARLINK: asyncvarlink,
    SHARER: sharer,
    NAME: broker,
    FEW_RULES: partial(broker, setting=Setting(FEW_RULES, rules=1)),
    SOME_RULES: partial(broker, setting=Setting(SOME_RULES, rules=10)),
    MANY_RULES: partial(broker, setting=Setting(MANY_RULES, rules=1000)),
    NO_AUDIT: partial(broker, setting=Setting(NO_AUDIT, audit=False)),
    FACTS: partial(broker, setting=Setting(FACTS, facts=True)),
}


def _obstacle(name: str) -> str:
    """Return why one cannot take part, empty where it can."""
    program = {S6: "s6-fdholder-daemon", SEATD: "seatd"}.get(name)
    if program is not None and shutil.which(program) is None:
        return f"{program} is not installed"
    if name == SEATD and geteuid() != 0:
        return "needs root, for a mount namespace"
    return ""


@contextmanager
def started(
    ground: Ground, directory: Path, names: Collection[str], measured: Measured
) -> Iterator[dict[str, Peer]]:
    """Run those that are named, each in a directory of its own."""
    peers: dict[str, Peer] = {}
    with ExitStack() as stack:
        for index, (name, start) in enumerate(_EVERYBODY.items()):
            if name not in names:
                continue
            if obstacle := _obstacle(name):
                measured.missing[name] = obstacle
                continue
            own = directory / f"peer{index}"
            own.mkdir()
            peers[name] = stack.enter_context(start(ground, own))
            measured.versions[name] = peers[name].version
        yield peers
