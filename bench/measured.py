# SPDX-License-Identifier: MIT
"""What came out: bursts by case, place, peer and round, and the ratios within a round."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles

from bench.burst import Burst, Place

Pick = Callable[[Burst], float]


def time_of(burst: Burst) -> float:
    """Return what a request takes."""
    return burst.median


def cpu_of(burst: Burst) -> float:
    """Return what the server computes for a request."""
    return burst.cpu


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the middle half around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarize some numbers, of which there is at least one."""
        numbers = sorted(values)
        if len(numbers) == 1:
            return cls(numbers[0], numbers[0], numbers[0])
        low, _, high = quantiles(numbers, n=4, method="inclusive")
        return cls(median(numbers), low, high)


@dataclass(slots=True)
class Measured:
    """All bursts of a run, single figures by name, and curves."""

    bursts: dict[tuple[str, Place, str], list[Burst]] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)
    curves: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    """What work takes, by how much there is of something; each round has one at every count."""
    instructions: dict[tuple[str, str], float] = field(default_factory=dict)
    """What a server executes for a request, by case and peer."""
    facts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    profiles: list[str] = field(default_factory=list)
    """Tables of where the daemon's own time goes."""
    missing: dict[str, str] = field(default_factory=dict)
    """Who could not take part, and why."""

    def add(self, case: str, place: Place, peer: str, burst: Burst) -> None:
        """Add the burst of the next round; each peer has one in each."""
        self.bursts.setdefault((case, place, peer), []).append(burst)

    def add_figure(self, name: str, value: float) -> None:
        """Add one more value of a figure; figures that are compared have them in turn."""
        self.figures.setdefault(name, []).append(value)

    def add_point(self, curve: str, count: int, nanoseconds: float) -> None:
        """Add what a round gave where there is so much."""
        self.curves.setdefault(curve, {}).setdefault(count, []).append(nanoseconds)

    def growth(self, curve: str) -> Spread | None:
        """Return how much more it takes with the most of it than with the least, in turn."""
        points = self.curves.get(curve)
        if points is None:
            return None
        most, least = points[max(points)], points[min(points)]
        return Spread.of(a / b for a, b in zip(most, least, strict=True))

    def spread(self, case: str, place: Place, peer: str, pick: Pick = time_of) -> Spread | None:
        """Return what a peer needs, None where it did not take part."""
        found = self.bursts.get((case, place, peer))
        return None if found is None else Spread.of(pick(burst) for burst in found)

    def ratio(
        self,
        ours: tuple[str, str],
        theirs: tuple[str, str],
        place: Place,
        pick: Pick = time_of,
    ) -> Spread | None:
        """Return how much more one takes than another, each a case and a peer, round by round."""
        first = self.bursts.get((ours[0], place, ours[1]))
        second = self.bursts.get((theirs[0], place, theirs[1]))
        if first is None or second is None:
            return None
        return Spread.of(pick(a) / pick(b) for a, b in zip(first, second, strict=True))

    def figure(self, name: str) -> Spread | None:
        """Return a figure, None where it was not measured."""
        found = self.figures.get(name)
        return None if found is None else Spread.of(found)

    def figure_ratio(self, ours: str, theirs: str) -> Spread | None:
        """Return how much more one figure is than another, in turn."""
        first, second = self.figures.get(ours), self.figures.get(theirs)
        if first is None or second is None:
            return None
        return Spread.of(a / b for a, b in zip(first, second, strict=True))

    def json(self, *, rounds: bool) -> str:
        """Return everything, for other programs; with each round, or with what came of them."""
        bursts = []
        for (case, place, peer), found in self.bursts.items():
            one: dict[str, object] = {"case": case, "place": place.value, "peer": peer}
            if rounds:
                one["rounds"] = [asdict(burst) for burst in found]
            for name, pick in (("time", time_of), ("cpu", cpu_of)):
                one[name] = asdict(Spread.of(pick(burst) for burst in found))
            one["instructions"] = self.instructions.get((case, peer), 0.0)
            bursts.append(one)
        everything = {
            "facts": self.facts,
            "versions": self.versions,
            "missing": self.missing,
            "bursts": bursts,
            "figures": {
                name: found if rounds else asdict(Spread.of(found))
                for name, found in self.figures.items()
            },
            "curves": {
                curve: {
                    count: found if rounds else asdict(Spread.of(found))
                    for count, found in points.items()
                }
                for curve, points in self.curves.items()
            },
        }
        return json.dumps(everything, indent=1) + "\n"
