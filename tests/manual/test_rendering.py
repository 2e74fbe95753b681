# SPDX-License-Identifier: MIT
"""Each page renders: scdoc makes it of its source, and man(1) has nothing to complain of."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.needs import need_tool

from .page import PAGES, Page

SECONDS = 20


def render(name: str) -> str:
    """Return a page in the language of man(7)."""
    made = subprocess.run(
        [need_tool("scdoc")],
        input=Page(name).text,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    return made.stdout


@pytest.mark.parametrize("name", PAGES)
def test_man_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(render(name))
    shown = subprocess.run(
        [need_tool("man"), "--local-file", "--warnings=w", "-Tutf8", "--ditroff", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**os.environ, "MANROFFSEQ": "", "LC_ALL": "C.UTF-8"},
    )
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stderr
    assert shown.stdout


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_each_other(name: str) -> None:
    text = Page(name).text
    ours = {page.rpartition(".")[0] for page in PAGES}
    named = re.findall(r"\*(fdbroker[a-z.-]*)\*\((\d)\)", text)
    assert {f"{page}.{section}" for page, section in named} <= set(PAGES)
    see_also = text.split("# SEE ALSO")[1]
    title = name.rpartition(".")[0]
    assert all(f"*{page}*" in see_also for page in ours - {title} if page == "fdbrokerd")
    assert text.startswith(f"{title}({name[-1]})\n")
