# SPDX-License-Identifier: MIT
"""A manual page in scdoc, read as its sections and the terms that they define.

A term is a line that begins in bold and is followed by a paragraph indented one step more. Several
may share a line, divided by commas, or be bold words of one; a term may be defined below another.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAN = ROOT / "docs" / "man"

_HEADING = re.compile(r"(#{1,2}) (.+)")
_DEFINED = re.compile(r"(\t*)(\*[^\t].*)")
_BOLD = re.compile(r"\*((?:[^*\\]|\\.)+)\*")


@dataclass(frozen=True)
class Term:
    """One term: its section and subsection, the terms that it stands below, and its name."""

    section: str
    subsection: str
    above: tuple[str, ...]
    name: str


class Page:
    """One page."""

    def __init__(self, name: str) -> None:
        """Read it, by its file's name without the ending: `fdbrokerctl.1`."""
        self.path = MAN / f"{name}.scd"
        self.text = self.path.read_text()
        self.sections: list[str] = []
        self.terms: list[Term] = []
        self._read()

    def _read(self) -> None:
        section, subsection = "", ""
        above: list[str] = []
        literal = False
        lines = self.text.splitlines()
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            if line == "```":
                literal = not literal
            elif literal:
                continue
            elif heading := _HEADING.fullmatch(line):
                if heading[1] == "#":
                    section, subsection = heading[2], ""
                    self.sections.append(section)
                else:
                    subsection = heading[2]
            elif (found := _DEFINED.fullmatch(line)) and after.startswith(found[1] + "\t"):
                depth = len(found[1])
                names = _names(found[2])
                del above[depth:]
                self.terms += [
                    Term(section, subsection, tuple(above), name.replace("\\", ""))
                    for name in names
                ]
                above.append(names[0])

    def names(self, section: str, subsection: str | None = None) -> list[str]:
        """Return the terms that a section defines, not those below another term."""
        return [
            term.name
            for term in self.terms
            if term.section == section
            and (subsection is None or term.subsection == subsection)
            and not term.above
        ]

    def below(self, section: str, name: str) -> list[str]:
        """Return the terms that are defined directly below one."""
        return [
            term.name for term in self.terms if term.section == section and term.above == (name,)
        ]


def _names(line: str) -> list[str]:
    """Return the bold words with which the comma-divided parts of a line begin."""
    parts = re.split(r", (?=\*)", line)
    return [found[1] for part in parts if (found := _BOLD.match(part))]


PAGES = tuple(sorted(path.stem for path in MAN.glob("*.scd")))
