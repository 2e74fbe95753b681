# SPDX-License-Identifier: MIT
"""Records counted against requests: one for each, each of whom it was, and no line besides."""

import json
from collections import Counter
from pathlib import Path

from fdbrokerd.audit.record import ANSWERED, DENIED, FAILED, GRANTED, HUNG_UP
from fdbrokerd.messages import CONTROL

KEYS = {
    "time", "request", "peer", "method", "resource", "arguments", "verdict", "rules",
    "descriptors", "lease", "outcome", "detail", "duration",
}  # fmt: skip

OUTCOMES = {GRANTED, DENIED, FAILED, ANSWERED, HUNG_UP}


class Ledger:
    """What an audit file says, read to its end once; later reads go on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._requests: set[str] = set()
        self.of_uid: Counter[int] = Counter()
        self.of_outcome: Counter[str] = Counter()

    def read(self) -> None:
        """Count what is new. Raises AssertionError for a line that is no record, or one twice."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                assert line.endswith(b"\n"), f"a torn line: {line!r}"
                self._count(line)
            self._at = file.tell()

    def _count(self, line: bytes) -> None:
        assert not CONTROL.search(line[:-1].decode()), f"it rules a terminal: {line!r}"
        record = json.loads(line)
        assert set(record) == KEYS, line
        assert not CONTROL.search(record["detail"]), f"a peer's text in the journal: {line!r}"
        assert record["outcome"] in OUTCOMES, line
        assert record["request"] not in self._requests, f"a request twice: {line!r}"
        self._requests.add(record["request"])
        uid = record["peer"]["uid"]
        self.of_uid[uid] += 1
        if uid:  # root's are our own questions
            self.of_outcome[record["outcome"]] += 1
