# SPDX-License-Identifier: MIT
"""Where machines are booted from, and whether they can be; a test that cannot is skipped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.needs import cannot, need_root, need_tool

from .boot import NAMESPACES


def need_machine() -> None:
    """Go on only where a machine can be booted."""
    need_root("to boot a machine")
    for tool in ("unshare", "nsenter", "setpriv"):
        need_tool(tool)
    namespaces = [f"--{option}" for option in NAMESPACES.values()]
    attempt = subprocess.run(
        ["unshare", *namespaces, "--fork", "true"], capture_output=True, text=True, check=False
    )
    if attempt.returncode != 0:
        cannot(f"booting a machine needs its own namespaces: {attempt.stderr.strip()}")


def trees() -> Path:
    """Return the directory that tools/make-tree makes trees in."""
    return Path(os.environ.get("FDBROKER_TREES") or "/var/tmp/fdbrokerd-trees")


def debian_tree() -> Path:
    """Return the Debian 13 tree that tools/make-tree made."""
    need_machine()
    tree = Path(os.environ.get("FDBROKER_TREE") or trees() / "trixie")
    if not (tree / ".fdbrokerd-tree").exists():
        cannot(f"there is no tree at {tree}: run tools/make-tree")
    return tree
