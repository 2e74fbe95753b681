# SPDX-License-Identifier: MIT
"""Each shell runs its completions, and offers what the programs have and a broker holds."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.needs import need_tool

from .page import ROOT
from .programs import MODULES, options_of, verbs

COMPLETIONS = ROOT / "completions"
SHELLS = Path(__file__).with_name("shells")
SECONDS = 40
OFFER_PROGRAMS = [f"{name} --" for name in MODULES] + [f"{name} -" for name in MODULES]


def environment(programs: Path) -> dict[str, str]:
    """Return an environment with the programs, and with a broker only below `fdbrokerd --run`."""
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COMPLETIONS": str(COMPLETIONS),
        "FDBROKER_SOCKET": "@nobody-listens-here",
    }


def complete(shell: str, lines: list[str], programs: Path, *, broker: bool) -> dict[str, str]:
    """Return what is offered for each line, with a private broker that holds two items or none."""
    script = f'exec {shell} "{SHELLS}/complete.{shell}"'
    command = ["sh", "-c", script]
    if broker:
        puts = "for item in a b/c; do fdbroker-put store/$item --fd 4 4</dev/zero || exit; done"
        puts = puts.replace("4</dev/zero", f"4<{SHELLS / 'complete.bash'}")
        command = ["fdbrokerd", "--run", "--", "sh", "-c", f"{puts}\n{script}"]
    done = subprocess.run(
        command,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=environment(programs),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


NAMES = {
    "fdbroker-get st": {"store/", "store/a", "store/b/c"},
    "fdbroker-get store/b": {"store/b/c"},
    "fdbroker-get ev": {"eventfd"},
    "fdbroker-put st": {"store/", "store/a", "store/b/c"},
    "fdbroker-put ev": set(),
    "fdbrokerctl remove ": {"store/a", "store/b/c"},
    "fdbrokerctl explain st": {"store", "store/a", "store/b/c"},
}
"""What is offered of a private broker's resources and of its two items."""

WORDS = {
    "fdbrokerctl graph --format ": {"dot", "mermaid"},
    "fdbrokerctl schema ": {"rules", "settings"},
    "fdbrokerctl explain --do ": {"get", "put", "take", "remove", "list", "watch"},
}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_names_come_from_the_broker(shell: str, programs: Path) -> None:
    need_tool(shell)
    offered = complete(shell, [*NAMES, *WORDS], programs, broker=True)
    assert {line: set(words.split()) for line, words in offered.items()} == NAMES | WORDS


def test_bash_completes_places(programs: Path) -> None:
    lines = ["fdbroker-get -r 3=st", "fdbroker-get -r std", "fdbroker-get --stdin=sl"]
    offered = complete("bash", lines, programs, broker=True)
    assert offered[lines[0]].split() == ["store/", "store/a", "store/b/c"]
    assert offered[lines[1]].split() == ["stdin=", "stdout=", "stdio="]
    assert offered[lines[2]] == ""


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_without_a_broker_nothing_is_said(shell: str, programs: Path) -> None:
    need_tool(shell)
    assert complete(shell, ["fdbroker-get st"], programs, broker=False) == {"fdbroker-get st": ""}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_command_is_completed_as_such(shell: str, programs: Path) -> None:
    need_tool(shell)
    line = "fdbroker-get pty -- realpa"
    assert "realpath" in complete(shell, [line], programs, broker=False)[line].split()


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_options_are_those_of_the_help(shell: str, programs: Path) -> None:
    need_tool(shell)
    of_verbs = [f"fdbrokerctl {verb} -" for verb in verbs()]
    lines = [*OFFER_PROGRAMS, *of_verbs, *(f"{line}-" for line in of_verbs), "fdbrokerctl "]
    offered = complete(shell, lines, programs, broker=False)
    assert set(offered["fdbrokerctl "].split()) == set(verbs())
    for line in [f"{name} -" for name in MODULES] + of_verbs:
        program, *verb = line.removesuffix(" -").split()
        # fish offers the long ones only for two dashes.
        words = set(offered[line].split()) | set(offered[f"{line}-"].split())
        assert words == options_of(program, *verb), line


def test_zsh(programs: Path) -> None:
    need_tool("zsh")
    of_verbs = [f"fdbrokerctl {verb} " for verb in verbs()]
    lines = [f"{name} -" for name in MODULES] + of_verbs + ["fdbroker-get pty -- ls "]
    offered = complete("zsh", lines, programs, broker=False)
    assert offered.pop("fdbroker-get pty -- ls ") == "command:ls "
    for line, told in offered.items():
        program, *verb = line.removesuffix("-").split()
        found = {name for spec in told.split("\x01") for name in options_in(spec)}
        assert found == options_of(program, *verb), line


def options_in(spec: str) -> list[str]:
    """Return the option that a specification for _arguments is about."""
    return re.findall(r"^(?:\*|\([^)]*\))*(--?[a-zA-Z][a-z-]*?)[-+=]*\[", spec)


@pytest.mark.parametrize(
    ("line", "awaited"),
    [("fdbrokerctl remove st", "store/a"), ("fdbroker-put st", "store/")],
)
def test_zsh_completes_what_is_typed(line: str, awaited: str, programs: Path) -> None:
    need_tool("zsh")
    put = f'fdbroker-put store/a <{SHELLS}/type.zsh && exec zsh -f {SHELLS}/type.zsh "$@"'
    subprocess.run(
        ["fdbrokerd", "--run", "--", "sh", "-c", put, "sh", line, awaited],
        check=True,
        timeout=SECONDS,  # it waits for what is awaited
        env=environment(programs),
    )


def test_links_have_the_names_of_the_programs() -> None:
    assert {path.name for path in (COMPLETIONS / "bash").iterdir()} == set(MODULES)
    assert {path.stem for path in (COMPLETIONS / "fish").iterdir()} == set(MODULES)
    head = (COMPLETIONS / "zsh" / "_fdbroker").read_text().splitlines()[0]
    assert set(head.split()) == {"#compdef", *MODULES}
