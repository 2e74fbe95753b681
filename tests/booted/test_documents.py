# SPDX-License-Identifier: MIT
"""The documents' sessions, in the booted machine: what they say to do works, and can be undone.

Each page is one story. Its files are written where they say, its commands run in their order, by
a person or by root. At the end of a page of the cookbook nothing that it wrote is there any more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.manual.blocks import DOCUMENTS, blocks, prints, session

from .service import SOCKET, UNIT, restore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.manual.blocks import Block, Command

    from .machine import Machine

PERSON = "alice"
OTHER = "bob"


def tried(document: Path) -> list[Block]:
    """Return the blocks of a document that are files or sessions."""
    return [
        block
        for block in blocks(document)
        if not block.tag and (block.language == "console" or block.path.startswith("/"))
    ]


@pytest.fixture(scope="module")
def inhabited(machine: Machine) -> Machine:
    """Return the machine with two people."""
    for number, name in enumerate((PERSON, OTHER), 1500):
        if machine.run("id", name, check=False).returncode:
            machine.run("useradd", "--create-home", "--uid", str(number), name)
    return machine


@pytest.fixture
def serving(inhabited: Machine) -> Iterator[Machine]:
    """Return it with the service as it is shipped."""
    inhabited.systemctl("start", SOCKET, UNIT)
    yield inhabited
    inhabited.run("rm", "-rf", f"/etc/systemd/system/{UNIT}.d")
    restore(inhabited)


@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if tried(one)], ids=lambda one: str(one.stem)
)
def test_what_a_document_says_to_do(serving: Machine, document: Path) -> None:
    written = []
    for block in tried(document):
        if block.path:
            mode = 0o755 if block.text.startswith("#!") else 0o644
            serving.write({block.path: block.text}, mode=mode)
            written.append(block.path)
            continue
        for command in session(block):
            run(serving, block, command)
    if document.parent.name == "cookbook":
        there = {path: serving.run("test", "-e", path, check=False).returncode for path in written}
        assert all(there.values()), f"{document.name} does not undo all of {there}"
    held = serving.run("fdbrokerctl", "list").stdout.split()
    assert not [name for name in held if "/" in name]


def run(machine: Machine, block: Block, command: Command) -> None:
    """Run one command, as whoever its prompt says, and compare what it prints."""
    user = None if command.by_root else PERSON
    home = "/root" if command.by_root else f"/home/{PERSON}"
    done = machine.run(
        "sh",
        "-c",
        f"cd {home}; exec 2>&1\n{command.text}",
        user=user,
        environment={"HOME": home},
        check=False,
    )
    told = f"{block}: {command.text}{os.linesep}{done.stdout}"
    if command.prints:
        assert prints(command, done.stdout), told
    else:
        assert done.returncode == 0, told
