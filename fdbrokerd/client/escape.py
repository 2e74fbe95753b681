# SPDX-License-Identifier: MIT
"""Text that somebody else wrote, made safe for a terminal and for one line."""


def escape(text: str, *, keep: str = "") -> str:
    r"""Return the text with everything that does not print as `\x1b` or `\u202e`, but `keep`.

    What does not print includes lone surrogates, so the result can always be encoded as UTF-8, and
    the marks that turn the direction of writing around.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in text
    )
