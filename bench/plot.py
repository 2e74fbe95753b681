# SPDX-License-Identifier: MIT
"""The results as a picture: a bar for each server, by work, on a logarithmic scale."""

import math
from collections.abc import Iterator
from html import escape

from bench.burst import Place
from bench.measured import Measured, Spread
from bench.peers.broker import NAME
from bench.peers.varlink import RELOAD
from bench.work import CASES, FLOOR, Case

WIDTH = 860
_LEFT, _RIGHT = 215, 70
_ROW, _GAP, _HEAD, _TOP = 16, 14, 20, 44
_FAINT, _FLOOR, _OURS, _OTHERS = "#d0d0d0", "#9a9a9a", "#1f6fb2", "#d08a2e"
_FONT = 'font-family="sans-serif" font-size="12"'

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


class _Scale:
    """Where a time is across the picture."""

    def __init__(self, groups: list[Group]) -> None:
        numbers = [one.median for _, bars in groups for _, *both in bars for one in both]
        self.low = math.floor(math.log10(min(numbers)))
        self.high = math.ceil(math.log10(max(numbers)))

    def at(self, nanoseconds: float) -> float:
        part = (math.log10(nanoseconds) - self.low) / max(self.high - self.low, 1)
        return _LEFT + part * (WIDTH - _LEFT - _RIGHT)


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    style = f'{_FONT} text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def _told(nanoseconds: float, digits: int = 1) -> str:
    if nanoseconds >= 1e6:
        return f"{nanoseconds / 1e6:.{digits}f} ms"
    return f"{nanoseconds / 1e3:.{digits}f} µs"


def _color(peer: str) -> str:
    if peer == FLOOR:
        return _FLOOR
    return _OURS if peer.startswith(NAME) else _OTHERS


def _axis(scale: _Scale, height: float) -> Iterator[str]:
    for power in range(scale.low, scale.high + 1):
        x = scale.at(10.0**power)
        yield f'<path d="M{x:.0f} {_TOP - 8}V{height:.0f}" stroke="{_FAINT}"/>'
        yield _text(x, _TOP - 12, _told(10.0**power, digits=0), "middle")


def _bars(scale: _Scale, group: Group, top: float) -> Iterator[str]:
    case, bars = group
    yield _text(8, top + 12, case.title, weight="bold")
    for row, (peer, free, pinned) in enumerate(bars):
        y = top + _HEAD + row * _ROW
        end = scale.at(pinned.median)
        shape = f'x="{_LEFT}" y="{y:.0f}" width="{end - _LEFT:.0f}" height="{_ROW - 4}"'
        yield f'<rect {shape} fill="{_color(peer)}"/>'
        x = scale.at(free.median)
        yield f'<path d="M{x:.0f} {y - 1:.0f}v{_ROW - 2}" stroke="black" stroke-width="2"/>'
        yield _text(_LEFT - 6, y + 10, peer, "end")
        yield _text(max(end, x) + 5, y + 10, _told(pinned.median))


def svg(measured: Measured) -> str:
    """Return the picture; of a run without bursts an empty one."""
    groups = _groups(measured)
    heights = [_HEAD + len(bars) * _ROW + _GAP for _, bars in groups]
    height = _TOP + sum(heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(8, 16, "Time of a request: bar, client and server on one processor; line, free"),
    ]
    if groups:
        scale = _Scale(groups)
        parts += _axis(scale, height - _GAP)
        top = float(_TOP)
        for group, tall in zip(groups, heights, strict=True):
            parts += _bars(scale, group, top)
            top += tall
    return "\n".join([*parts, "</svg>"]) + "\n"
