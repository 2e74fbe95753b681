# SPDX-License-Identifier: MIT
"""The curves as a picture: a field for each thing that there is more and more of."""

from collections.abc import Iterator, Mapping

from bench.curves import OF
from bench.drawing import FAINT, WIDTH, Scale, picture, text, told
from bench.measured import Measured, Spread

_LEFT, _RIGHT, _TOP, _FIELD, _GAP = 70, 210, 44, 180, 60
_COLORS = ("#1f6fb2", "#d08a2e", "#4a8f3c")

Points = Mapping[int, Spread]


def _fields(measured: Measured) -> Mapping[str, Mapping[str, Points]]:
    """Return the curves, by what there is more of."""
    fields: dict[str, dict[str, Points]] = {}
    for title, points in measured.curves.items():
        spreads = {count: Spread.of(found) for count, found in sorted(points.items())}
        fields.setdefault(OF[title], {})[title] = spreads
    return fields


def _curve(across: Scale, up: Scale, title: str, points: Points, color: str) -> Iterator[str]:
    """Yield a line through the medians, with the middle half at each."""
    places = [(across.at(count), up.at(found.median)) for count, found in points.items()]
    line = " ".join(f"{x:.0f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>'
    for (x, y), found in zip(places, points.values(), strict=True):
        low, high = up.at(found.low), up.at(found.high)
        yield f'<path d="M{x:.0f} {low:.1f}V{high:.1f}" stroke="{color}"/>'
        yield f'<circle cx="{x:.0f}" cy="{y:.1f}" r="3" fill="{color}"/>'
        yield text(x, y - 7, told(found.median), "middle")
    yield text(places[-1][0] + 40, places[-1][1] + 4, title, weight="bold")


def _field(what: str, curves: Mapping[str, Points], top: float) -> Iterator[str]:
    counts = {count for points in curves.values() for count in points}
    times = [found.median for points in curves.values() for found in points.values()]
    across = Scale(counts, _LEFT, WIDTH - _RIGHT)
    up = Scale(times, top + _FIELD, top)
    for count in across.marks():
        x = across.at(count)
        yield f'<path d="M{x:.0f} {top:.0f}v{_FIELD}" stroke="{FAINT}"/>'
        yield text(x, top + _FIELD + 16, f"{count:.0f}", "middle")
    for nanoseconds in up.marks():
        y = up.at(nanoseconds)
        yield f'<path d="M{_LEFT} {y:.0f}H{WIDTH - _RIGHT}" stroke="{FAINT}"/>'
        yield text(_LEFT - 6, y + 4, told(nanoseconds, digits=0), "end")
    yield text(WIDTH - _RIGHT + 40, top + _FIELD + 16, what)
    for color, (title, points) in zip(_COLORS, curves.items(), strict=False):
        yield from _curve(across, up, title, points, color)


def svg(measured: Measured) -> str:
    """Return the picture; of a run without curves an empty one."""
    fields = _fields(measured)
    parts = [text(8, 16, "Time of a request, client and daemon on one processor")]
    for index, (what, curves) in enumerate(fields.items()):
        parts += _field(what, curves, float(_TOP + index * (_FIELD + _GAP)))
    return picture(_TOP + len(fields) * (_FIELD + _GAP), parts)
