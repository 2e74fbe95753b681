# SPDX-License-Identifier: MIT
"""The records of the daemon, read while it writes: exactly one of each request, none twice."""

import os
from collections import Counter
from pathlib import Path

import msgspec

from .count import ANY, is_killed, is_unheard


class _Peer(msgspec.Struct):
    uid: int


class _Line(msgspec.Struct):
    request: str
    peer: _Peer
    method: str
    resource: str
    outcome: str


_decoder = msgspec.json.Decoder(_Line)


class Ledger:
    """What was recorded, by uid and key. An id ends with a number that counts up from one."""

    def __init__(self) -> None:
        self.records: dict[int, Counter[str]] = {}
        self.killed: Counter[int] = Counter()
        self.lines = 0
        self.twice = 0
        self._seen = bytearray()

    def read(self, path: Path) -> None:
        """Take in a file, whole lines only; a torn one raises."""
        with path.open("rb") as file:
            for text in file:
                self._add(_decoder.decode(text))

    def take(self, path: Path) -> None:
        """Take in a file that nobody writes any more, and remove it: ten million are 4 GB."""
        self.read(path)
        os.unlink(path)

    def _add(self, line: _Line) -> None:
        self.lines += 1
        serial = int(line.request.rpartition("-")[2])
        if serial >= len(self._seen):
            self._seen.extend(bytes(serial + 1 - len(self._seen)))
        self.twice += self._seen[serial]
        self._seen[serial] = 1
        uid = line.peer.uid
        family = line.resource.partition("/")[0]
        if is_killed(family):
            self.killed[uid] += 1
            return
        told = ANY if is_unheard(family) else line.outcome
        key = f"{line.method.rpartition('.')[2]} {family} {told}"
        self.records.setdefault(uid, Counter())[key] += 1

    @property
    def missing(self) -> int:
        """Return how many ids were given and not recorded."""
        return self._seen[1:].count(0)
