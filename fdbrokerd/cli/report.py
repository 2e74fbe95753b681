# SPDX-License-Identifier: MIT
"""Results for people: a table, and names with their values."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows under a head, each column as wide as its widest cell."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def pairs(values: Mapping[str, object], indent: str = "") -> str:
    """Return a line for each value, with what is inside another one further right."""
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}:", pairs(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}{name.removesuffix('USec')}: {_shown(name, value)}")
    return "\n".join(lines)


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(str(one) for one in value) or "-"
    if name.endswith("USec") and isinstance(value, int):
        return datetime.fromtimestamp(value / 1_000_000, UTC).isoformat(" ", "seconds")
    return str(value)
