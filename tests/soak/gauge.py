# SPDX-License-Identifier: MIT
"""What the daemon takes while it is asked: memory, descriptors, children."""

from tests.daemon.items import held
from tests.daemon.process import descendants, resident_kib


class Gauge:
    """The daemon's memory, descriptors and children as they were looked at."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.open_before = held(pid)
        self.warm_kib = 0
        self.most_kib = 0
        self.most_open = 0
        self.most_children = 0

    def look(self) -> None:
        """Look once, in the middle of the work."""
        self.most_kib = max(self.most_kib, resident_kib(self._pid))
        self.most_open = max(self.most_open, held(self._pid).total())
        self.most_children = max(self.most_children, len(descendants(self._pid)))

    def warm(self) -> None:
        """Take this for what it needs: everything has been done many times."""
        self.warm_kib = resident_kib(self._pid)

    def resident_kib(self) -> int:
        """Return the memory of now."""
        return resident_kib(self._pid)

    def children(self) -> int:
        """Return how many processes it has."""
        return len(descendants(self._pid))
