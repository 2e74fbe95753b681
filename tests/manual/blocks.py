# SPDX-License-Identifier: MIT
"""The blocks of the documents, and how each of them is to be tried.

What is tried is said in a comment on the line before a block, which a reader does not see:

    <!-- run: private -->      below `fdbrokerd --run`, in a directory of its own
    <!-- not run: REASON -->   not at all

Without one it is the language that says: `console` is a session in the booted machine, `$` of a
person and `#` of root, each command followed by what it prints if that is compared (`…` is any
text). What names a path after its language is a file there. `yaml` without a path is a rule file
that must load. No language is a picture.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from .page import ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"```(.*)")
_TAG = re.compile(r"<!-- (run|not run): (.+) -->")


@dataclass(frozen=True)
class Block:
    """One block: where it is, its language, the path of its file, and how it is tried."""

    document: Path
    line: int
    language: str
    path: str
    tag: str
    text: str

    def __str__(self) -> str:
        """Return its place, as compilers say it."""
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a session, and the lines that it prints; none if they are not told."""

    by_root: bool
    text: str
    prints: tuple[str, ...]


def blocks(document: Path) -> list[Block]:
    """Return the blocks of a document in their order."""
    found: list[Block] = []
    inside: list[str] | None = None
    opened = (0, "", "")
    before = ""
    for number, line in enumerate(document.read_text().splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if inside is not None:
            if fence:
                at, info, tag = opened
                language, _, path = info.partition(" ")
                text = "".join(f"{one}\n" for one in inside)
                found.append(Block(document, at, language, path, tag, text))
                inside = None
            else:
                inside.append(line)
        elif fence:
            tagged = _TAG.fullmatch(before)
            opened = (number, fence[1], f"{tagged[1]}: {tagged[2]}" if tagged else "")
            inside = []
        before = line
    assert inside is None, f"{document}: a block has no end"
    return found


def session(block: Block) -> list[Command]:
    """Return the commands of a session; `>` goes on with the command of the line before."""
    commands: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith(("$ ", "# ")):
            commands.append(Command(line[0] == "#", line[2:], ()))
            continue
        assert commands, f"{block}: begins with what no command has printed"
        last = commands[-1]
        if line.startswith("> "):
            commands[-1] = Command(last.by_root, f"{last.text}\n{line[2:]}", ())
        else:
            commands[-1] = Command(last.by_root, last.text, (*last.prints, line))
    return commands


def prints(command: Command, printed: str) -> bool:
    """Tell whether what was printed is what the document says."""
    pattern = "".join(".*".join(map(re.escape, line.split("…"))) + "\n" for line in command.prints)
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, lines, re.DOTALL) is not None
