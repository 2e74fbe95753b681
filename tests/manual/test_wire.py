# SPDX-License-Identifier: MIT
"""The small clients of docs/programming.md, in C and Go: what is put they get, and no more."""

import os
import subprocess
from pathlib import Path

from tests.needs import need_tool

from .page import ROOT

SECONDS = 50
GET_TWICE = """
fdbroker-put store/note <"$2" && "$1" store/note && "$1" store/note
"$1" store/nothing && exit 1
"$1" nothing && exit 1
exit 0
"""


def check(client: Path, programs: Path, tmp_path: Path) -> None:
    """Get a note twice: it is shared, and reading it moves nobody's position."""
    note = tmp_path / "note"
    note.write_text("to all\n")
    done = subprocess.run(
        ["fdbrokerd", "--run", "--", "sh", "-c", GET_TWICE, "sh", client, note],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout) == (0, "to all\nto all\n"), done.stderr
    assert "NoSuchItem" in done.stderr
    assert "Denied" in done.stderr


def test_c(programs: Path, tmp_path: Path) -> None:
    client = tmp_path / "wire"
    warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2"]
    source = ROOT / "examples" / "wire.c"
    subprocess.run([need_tool("gcc"), *warnings, "-o", client, source], check=True, timeout=SECONDS)
    check(client, programs, tmp_path)


def test_go(programs: Path, tmp_path: Path) -> None:
    go = need_tool("go")
    client = tmp_path / "wire"
    source = ROOT / "examples" / "wire.go"
    environment = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off"}
    formatted = subprocess.run(
        ["gofmt", "-l", source], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert formatted.stdout == ""
    subprocess.run(
        [go, "build", "-o", client, source], check=True, timeout=SECONDS, env=environment
    )
    check(client, programs, tmp_path)
