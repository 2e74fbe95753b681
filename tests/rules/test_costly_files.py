# SPDX-License-Identifier: MIT
"""Files that are made to cost: each is loaded or refused in little time and memory.

A reload waits for them, and everybody waits for a reload.
"""

import resource
from collections.abc import Callable
from time import process_time

import pytest

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.mistakes import MAX_MISTAKES
from tests.core.processes import in_child

BYTES = 64 * 1024
"""A quarter of what a file may have: what grows with the square is seen here as well."""

SECONDS = 5.0
MEMORY_BYTES = 64 * 1024 * 1024

HEAD = "fdbroker: 1\nresources:\n  x: {kind: pty}\n"
RULES = f"{HEAD}rules:\n"


def filled(head: str, line: Callable[[int], str], size: int = BYTES) -> str:
    """Return as many lines as there is room for."""
    parts, left, index = [head], size - len(head), 0
    while (left := left - len(line(index))) >= 0:
        parts.append(line(index))
        index += 1
    return "".join(parts)


MANY = filled("fdbroker: 1\nresources:\n", lambda n: f"  r{n}: {{kind: pty}}\n", BYTES // 2)

SHAPES = {
    "nested lists": f"{HEAD}rules: {'[' * BYTES}",
    "nested mappings": f"{HEAD}rules: {'{a: ' * (BYTES // 4)}",
    "nested dashes": f"{RULES}{'- ' * (BYTES // 2)}",
    "commas": f"{HEAD}rules: [{'a,' * (BYTES // 2)}]",
    "empty lists": f"{HEAD}rules: [{'[],' * (BYTES // 3)}]",
    "anchors": filled("fdbroker: 1\nresources:\n", lambda n: f"  a{n}: &a{n} x\n"),
    "a long word": f"{HEAD}{'a' * BYTES}: 1",
    "escapes": f'{HEAD}rules: "{chr(92)}x41{f"{chr(92)}x41" * (BYTES // 4)}"',
    "unknown keys": filled(HEAD, lambda n: f"k{n}: 1\n"),
    "unknown kinds": filled("fdbroker: 1\nresources:\n", lambda n: f"  r{n}: {{kind: ptx}}\n"),
    "rules about unknown resources": filled(RULES, lambda n: f"  - {{id: r{n}, allow: y{n}}}\n"),
    "the same, and many resources": filled(
        f"{MANY}rules:\n", lambda n: f"  - {{id: q{n}, allow: z{n}}}\n"
    ),
    "one id": filled(RULES, lambda _: "  - {id: r, allow: x, peer: {uid: 1}}\n"),
    "globs that try every way": filled(
        RULES, lambda n: f'  - {{id: q{n}, allow: "{"*a" * 30}b*", peer: {{uid: 1}}}}\n'
    ),
    "uids": filled(f"{RULES}  - {{id: a, allow: x, peer: {{uid: [", lambda n: f"{2 * n},"),
    "expectations": filled(
        f"{RULES}  - {{id: a, allow: x, peer: {{uid: 1}}}}\ntests:\n",
        lambda n: f"  - {{as: {{uid: {n}}}, get: x, expect: deny}}\n",
    ),
    "folded lines": filled(f"{HEAD}rules: >\n", lambda _: "  x\n"),
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_costly_file(text: str) -> None:
    def work() -> None:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        room = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        began = process_time()
        with pytest.raises(ConfigurationError) as mistakes:
            load_text(text, "costly.yaml")
        assert process_time() - began < SECONDS
        assert len(mistakes.value.mistakes) <= MAX_MISTAKES + 1

    in_child(work)


def test_what_is_too_much_is_said() -> None:
    text = filled(HEAD, lambda n: f"k{n}: 1\n")
    with pytest.raises(ConfigurationError) as mistakes:
        load_text(text, "many.yaml")
    first, *_, last = mistakes.value.mistakes
    assert str(first) == "many.yaml:4:1: unknown key 'k0'"
    assert (
        str(last) == f"many.yaml:{3 + MAX_MISTAKES}:1: and more, perhaps, which are not looked for"
    )
