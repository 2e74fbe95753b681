# SPDX-License-Identifier: MIT
"""JSON to values and back without the package `json`, which takes as long to import as Python does.

It imports `re`, to say what is wrong with a text; that is left to it, when something is. The
scanner is C and is used by itself.
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Context:
    """What the scanner asks of whoever reads: the attributes of json.JSONDecoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None  # NaN and Infinity are no JSON: calling this fails


_context: Any = _Context
_scan = _json.make_scanner(_context)


def decode(text: str) -> object:
    """Return the value of a JSON text. Raises ValueError, RecursionError."""
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, SystemError, TypeError):
        pass  # it has no error of its own as long as `json` is not imported
    import json  # noqa: PLC0415 (see above)

    return json.loads(text)


def encode(value: object) -> str:
    """Return the JSON text of texts, whole numbers, booleans, None, mappings and lists of these."""
    if isinstance(value, str):
        return _json.encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, dict):
        members = (f"{encode(str(key))}: {encode(one)}" for key, one in value.items())
        return "{" + ", ".join(members) + "}"
    assert isinstance(value, list | tuple), value
    return "[" + ", ".join(map(encode, value)) + "]"
