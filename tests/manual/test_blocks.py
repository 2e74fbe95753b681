# SPDX-License-Identifier: MIT
"""What the documents say to type is typed; sessions and their files are tried in tests/booted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fdbrokerd.rules.loader import load_text

from .blocks import DOCUMENTS, Block, Command, blocks, prints
from .page import ROOT

ALL = [block for document in DOCUMENTS for block in blocks(document)]
PRIVATE = [block for block in ALL if block.tag == "run: private"]
RULES = [block for block in ALL if block.language == "yaml" and not block.path and not block.tag]
PICTURES = {"", "text"}
SECONDS = 40


def test_every_block_is_tried_or_says_why_not() -> None:
    for block in ALL:
        if block.language in PICTURES:
            assert not re.search(r"^[$#] ", block.text, re.MULTILINE), f"{block}: not a picture"
        elif block.tag.startswith("not run: "):
            assert len(block.tag.split()) > 4, f"{block}: the reason is too short to be one"
        elif block.tag:
            assert block.tag == "run: private", f"{block}: unknown: {block.tag}"
            assert block.language in {"sh", "python"}, f"{block}: not a script"
        elif block.language not in {"yaml", "console"}:
            assert block.path.startswith("/"), f"{block}: neither tried nor tagged"


@pytest.mark.parametrize("block", PRIVATE, ids=str)
def test_scripts(block: Block, programs: Path, tmp_path: Path) -> None:
    """Each is run by a shell, as it stands, in an empty directory."""
    text = block.text.replace("/tmp/", f"{tmp_path}/").replace(" examples/", f" {ROOT}/examples/")
    text = text.replace(".venv/bin/python3", sys.executable).replace(".venv/bin/", f"{programs}/")
    command = ["sh", "-euc", text]
    if block.language == "python":
        command = [sys.executable, "-c", text]
    done = subprocess.run(
        [str(programs / "fdbrokerd"), "--run", "--", *command],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", RULES, ids=str)
def test_rule_files_load(block: Block) -> None:
    assert load_text(block.text, str(block)).rules


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_any_text_is_three_dots() -> None:
    command = Command(by_root=False, text="x", prints=("a … c", "d"))
    assert prints(command, "a b c\nd\n")
    assert not prints(command, "a b c\n")
    assert not prints(command, "a b c\nd\ne\n")
