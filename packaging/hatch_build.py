# SPDX-License-Identifier: MIT
"""Puts manual pages and completions into the wheel, and manual pages into the sdist.

An sdist has the pages ready to read beside their sources, so that its wheel has them where there is
no scdoc. Without either the wheel is made without pages, and says so.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = "docs/man"

COMPLETIONS = {
    "bash": "share/bash-completion/completions",
    "zsh": "share/zsh/site-functions",
    "fish": "share/fish/vendor_completions.d",
}
"""Where each shell looks, below a prefix."""


class BuildHook(BuildHookInterface[Any]):
    """What pyproject.toml cannot say: what is made first, and what goes to where its name says."""

    _made = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the archive."""
        if version == "editable":
            return
        pages = self._pages()
        if self.target_name == "sdist":
            include = {page: f"{SOURCES}/{Path(page).name}" for page in pages}
            build_data["force_include"].update(include)
            return
        for page in pages:
            name = Path(page).name
            build_data["shared_data"][page] = f"share/man/man{name[-1]}/{name}"
        for shell, place in COMPLETIONS.items():
            for file in Path(self.root, "completions", shell).glob("*"):
                build_data["shared_data"][str(file)] = f"{place}/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the pages that were made."""
        del version, build_data, artifact_path
        if self._made:
            shutil.rmtree(self._made)

    def _pages(self) -> list[str]:
        """Return the manual pages, made here unless they came with the sdist."""
        self._made = tempfile.mkdtemp()
        pages = []
        for source in sorted(Path(self.root, SOURCES).glob("*.scd")):
            page = source.with_suffix("")
            if not page.exists():
                if shutil.which("scdoc") is None:
                    self.app.display_warning(f"no scdoc: without the manual page {page.name}")
                    continue
                page = Path(self._made, page.name)
                text = source.read_bytes()
                page.write_bytes(subprocess.check_output(["scdoc"], input=text))
            pages.append(str(page))
        return pages
