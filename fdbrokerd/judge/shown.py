# SPDX-License-Identifier: MIT
"""Names that others chose, made safe for a terminal, a log line and a table."""

MAX_NAME_BYTES = 160
"""Of one name when shown: two of them and some words for each of 253 descriptors must fit into one
packet from a child."""

_ESCAPED = frozenset(" \\")
"""A space too: with it a name could go on to say what the descriptor is, in our words."""


def shown(name: str) -> str:
    r"""Return a name without anything that a terminal acts on, cut where it is long.

    What is not printable, or is no text at all (surrogateescape), becomes `\xNN` or `\uNNNN`.
    """
    text: list[str] = []
    size = 0
    for character in name:
        piece = character
        if not character.isprintable() or character in _ESCAPED:
            piece = _escape(ord(character))
        size += len(piece.encode())
        if size > MAX_NAME_BYTES:
            text.append("…")
            break
        text.append(piece)
    return "".join(text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        code -= 0xDC00
    if code == ord("\\"):
        return "\\\\"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
