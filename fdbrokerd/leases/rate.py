# SPDX-License-Identifier: MIT
"""How often something was granted of late."""

from collections import deque
from collections.abc import Callable, Hashable

from fdbrokerd.model.rule import Rate

SWEEP_AT_KEYS = 4096
"""A key is a rule and a uid or process; beyond this many, those without a recent grant go."""


class Rates:
    """The times of recent grants, by what they are counted under."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[Hashable, tuple[Rate, deque[float]]] = {}
        self._sweep_at = SWEEP_AT_KEYS

    def room(self, key: Hashable, rate: Rate, weight: int) -> bool:
        """Tell whether so many more fit into the rate now."""
        _, times = self._times.get(key, (rate, deque()))
        self._forget(times, rate)
        return len(times) + weight <= rate.count

    def count(self, key: Hashable, rate: Rate, weight: int) -> None:
        """Count so many grants now."""
        if len(self._times) >= self._sweep_at:
            self._sweep()
        _, times = self._times.get(key, (rate, deque()))
        times.extend([self._clock()] * weight)
        self._times[key] = (rate, times)

    def _forget(self, times: deque[float], rate: Rate) -> None:
        oldest = self._clock() - rate.seconds
        while times and times[0] <= oldest:
            times.popleft()

    def _sweep(self) -> None:
        """Drop what has no recent grant; the next time when there are twice as many as are left."""
        for key, (rate, times) in list(self._times.items()):
            self._forget(times, rate)
            if not times:
                del self._times[key]
        self._sweep_at = max(SWEEP_AT_KEYS, 2 * len(self._times))
