# SPDX-License-Identifier: MIT
"""A process as /proc shows it, and waiting for it to be as it should."""

import os
import select
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PATIENCE = 20.0
"""Seconds; waited for in full only where a test fails."""

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds. What can be waited for otherwise is not polled."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


def take_byte(read_end: int) -> None:
    """Wait for the byte that a child or an opener writes when it is so far."""
    assert select.select([read_end], [], [], PATIENCE)[0], "no sign of life"
    assert os.read(read_end, 1) == b"!"


def descriptors(pid: int) -> Counter[str]:
    """Return what the process has open, and how many of each; sockets and pipes have no names."""
    found: Counter[str] = Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed since the listing
            found[os.readlink(f"/proc/{pid}/fd/{number}").partition("[")[0]] += 1
    return found


def resident_kib(pid: int) -> int:
    """Return how much memory the process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB


def cpu_ticks(pid: int) -> int:
    """Return how much the process has computed, in clock ticks (a hundredth of a second)."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


def parent_of(pid: int) -> int | None:
    """Return the number of a process's parent, None where it has ended."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def wait_until_ended(pids: Iterable[int]) -> None:
    """Return when none of these processes lives. Zombies are dead."""
    wait_until(lambda: all(parent_of(pid) is None for pid in pids), "processes to end")


def descendants(pid: int) -> set[int]:
    """Return the numbers of the living children of a process, and of theirs."""
    parents = {int(name): parent_of(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found: set[int] = set()
    family = {pid}
    while family:
        family = {child for child, parent in parents.items() if parent in family}
        found |= family
    return found
