# SPDX-License-Identifier: MIT
"""The results as a picture: a bar for each server, by work, on a logarithmic scale."""

from collections.abc import Iterator

from bench.burst import Place
from bench.drawing import FAINT, WIDTH, Scale, picture, text, told
from bench.measured import Measured, Spread
from bench.peers.broker import NAME
from bench.peers.varlink import RELOAD
from bench.work import CASES, FLOOR, Case

_LEFT, _RIGHT = 215, 70
_ROW, _GAP, _HEAD, _TOP = 16, 14, 20, 44
_FLOOR, _OURS, _OTHERS = "#9a9a9a", "#1f6fb2", "#d08a2e"

Group = tuple[Case, list[tuple[str, Spread, Spread]]]


def _groups(measured: Measured) -> list[Group]:
    """Return for each kind of work the servers, with both of their times."""
    groups = []
    for case in CASES:
        if case.work == RELOAD:  # a thousand times as long as all the others
            continue
        bars = []
        for peer in case.who:
            free = measured.spread(case.title, Place.FREE, peer)
            pinned = measured.spread(case.title, Place.PINNED, peer)
            if free is not None and pinned is not None:
                bars.append((peer, free, pinned))
        if bars:
            groups.append((case, bars))
    return groups


def _color(peer: str) -> str:
    if peer == FLOOR:
        return _FLOOR
    return _OURS if peer.startswith(NAME) else _OTHERS


def _axis(scale: Scale, height: float) -> Iterator[str]:
    for nanoseconds in scale.marks():
        x = scale.at(nanoseconds)
        yield f'<path d="M{x:.0f} {_TOP - 8}V{height:.0f}" stroke="{FAINT}"/>'
        yield text(x, _TOP - 12, told(nanoseconds, digits=0), "middle")


def _bars(scale: Scale, group: Group, top: float) -> Iterator[str]:
    case, bars = group
    yield text(8, top + 12, case.title, weight="bold")
    for row, (peer, free, pinned) in enumerate(bars):
        y = top + _HEAD + row * _ROW
        end = scale.at(pinned.median)
        shape = f'x="{_LEFT}" y="{y:.0f}" width="{end - _LEFT:.0f}" height="{_ROW - 4}"'
        yield f'<rect {shape} fill="{_color(peer)}"/>'
        x = scale.at(free.median)
        yield f'<path d="M{x:.0f} {y - 1:.0f}v{_ROW - 2}" stroke="black" stroke-width="2"/>'
        yield text(_LEFT - 6, y + 10, peer, "end")
        yield text(max(end, x) + 5, y + 10, told(pinned.median))


def svg(measured: Measured) -> str:
    """Return the picture; of a run without bursts an empty one."""
    groups = _groups(measured)
    heights = [_HEAD + len(bars) * _ROW + _GAP for _, bars in groups]
    height = _TOP + sum(heights)
    parts = [text(8, 16, "Time of a request: bar, client and server on one processor; line, free")]
    if groups:
        numbers = [one.median for _, bars in groups for _, *both in bars for one in both]
        scale = Scale(numbers, _LEFT, WIDTH - _RIGHT)
        parts += _axis(scale, height - _GAP)
        top = float(_TOP)
        for group, tall in zip(groups, heights, strict=True):
            parts += _bars(scale, group, top)
            top += tall
    return picture(height, parts)
