# SPDX-License-Identifier: MIT
"""What docs/operating.md quotes, and leads to its cause, is what the code says."""

import re

from .page import ROOT

QUOTED = re.compile(r"`([^`]+)`")
PLACEHOLDERS = re.compile(r"…|\b(?:RES/ITEM|RES|N|M|E[A-Z]{3,})\b")
OTHERS = {"cat: /dev/fd/3: Permission denied"}
"""What other programs say."""


def quoted() -> list[str]:
    """Return what the first column of the table quotes."""
    text = (ROOT / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| (.+?) \|", text.split("| it says |")[1], re.MULTILINE)
    return [one for row in rows for one in QUOTED.findall(row) if one not in OTHERS]


def test_what_is_quoted_is_said() -> None:
    code = "".join(path.read_text() for path in (ROOT / "fdbrokerd").rglob("*.py"))
    code = re.sub(r'"\n\s*f?"', "", code)  # a text in several lines
    assert len(quoted()) > 20
    for text in quoted():
        for fragment in PLACEHOLDERS.split(text.removeprefix("limit reached: ")):
            assert fragment.strip(" :()") in code, text
