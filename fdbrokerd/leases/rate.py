# SPDX-License-Identifier: MIT
"""How often something was granted of late."""

from collections import deque
from collections.abc import Callable, Hashable

from fdbrokerd.model.rule import Rate

LONGEST_SECONDS = 86400
"""A day, the longest time that a rate can name."""

SWEEP_AT_KEYS = 4096
"""A key is a rule and a uid or process: beyond this many, those without a recent grant are
dropped."""


class Rates:
    """The times of recent grants, by what they are counted under."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[Hashable, deque[float]] = {}

    def room(self, key: Hashable, rate: Rate, weight: int) -> bool:
        """Tell whether so many more fit into the rate now."""
        times = self._times.get(key)
        if times is None:
            return weight <= rate.count
        oldest = self._clock() - rate.seconds
        while times and times[0] <= oldest:
            times.popleft()
        return len(times) + weight <= rate.count

    def count(self, key: Hashable, weight: int) -> None:
        """Count so many grants now."""
        if len(self._times) >= SWEEP_AT_KEYS:
            oldest = self._clock() - LONGEST_SECONDS
            self._times = {key: of for key, of in self._times.items() if of and of[-1] > oldest}
        self._times.setdefault(key, deque()).extend([self._clock()] * weight)
