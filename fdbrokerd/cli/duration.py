# SPDX-License-Identifier: MIT
"""Times as people write and read them: `30s`, `5min`, `1h30min`, `2d`."""

from __future__ import annotations

import re

from fdbrokerd.errors import UsageError

_SECONDS = {
    "ms": 0.001,
    "": 1,
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "hr": 3600,
    "d": 86400,
    "w": 7 * 86400,
}
"""As systemd.time(7) has them; a number alone is seconds."""

_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([a-z]*) *")

_SHOWN = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def seconds_of(option: str, text: str) -> float:
    """Return the seconds that a text says. Raises UsageError."""
    seconds, at = 0.0, 0
    while found := _WRITTEN.match(text, at):
        number, unit = found.groups()
        if unit not in _SECONDS:
            break
        seconds += float(number) * _SECONDS[unit]
        at = found.end()
    if not text or at < len(text):
        raise UsageError(f"{option} {text}: give a time such as 30s, 5min, 2h or 1d")
    return seconds


def shown(seconds: float) -> str:
    """Return a time in its two largest units: `2d 3h`, `5min`, `0s`."""
    rest = max(int(seconds), 0)
    parts = []
    for unit, size in _SHOWN:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0s"
