# SPDX-License-Identifier: MIT
"""fdbrokerd under a profiler that counts instructions, or nanoseconds where they are not counted.

usage: python -m bench.profiled OUTPUT --config FILE

At the end it writes to OUTPUT, in JSON, what each function of the package has cost by itself.
"""

import cProfile
import json
import os
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

from bench.counter import instructions
from fdbrokerd.cli.daemon import main

_CALLS = 5_000

Entry = Any
"""What `getstats` returns one of: of a function in C `code` is a text."""


class Cost:
    """What the profiler adds to a function for its own call, and for each that it makes."""

    def __init__(self, read: Callable[[], int]) -> None:
        """Measure it on functions that do nothing."""

        def nothing() -> None:
            pass

        def calls() -> None:
            for _ in range(_CALLS):
                nothing()

        def calls_c() -> None:
            for _ in range(_CALLS):
                time.thread_time()

        bare, bare_c = (_count(read, function) for function in (calls, calls_c))
        profile = cProfile.Profile(read, 1.0)
        profile.enable()
        calls()
        calls_c()
        profile.disable()
        own = {one.code: _own(one) for one in profile.getstats()}
        self.called = own[nothing.__code__] / _CALLS
        self.calling = (own[calls.__code__] - bare) / _CALLS
        self.calling_c = (own[calls_c.__code__] - bare_c) / _CALLS

    def taken_from(self, one: Entry) -> float:
        """Return what is the function's own, with what it calls in C."""
        in_c = sum(each.callcount for each in one.calls or () if isinstance(each.code, str))
        in_python = sum(each.callcount for each in one.calls or ()) - in_c
        added = in_python * self.calling + in_c * self.calling_c
        left: float = _own(one) - added - one.callcount * self.called
        return max(left, 0.0)


def _count(read: Callable[[], int], function: Callable[[], None]) -> int:
    function()
    before = read()
    function()
    return read() - before


def _own(one: Entry) -> float:
    """Return what was counted in a function and in what it called in C."""
    in_c = (each.inlinetime for each in one.calls or () if isinstance(each.code, str))
    return float(one.inlinetime + sum(in_c))


def _name(code: CodeType) -> str:
    """Return file, line and name; of a dataclass's own functions the parameters, to tell them."""
    if code.co_filename == "<string>":
        return f"{code.co_name}({', '.join(code.co_varnames[1:4])}, ...) of a dataclass"
    place = code.co_filename.rpartition("fdbrokerd/")[2].removeprefix("/usr/lib/")
    return f"{place}:{code.co_firstlineno} {code.co_qualname}"


def _found(profile: cProfile.Profile, cost: Cost) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for one in profile.getstats():
        if not isinstance(one.code, CodeType):
            continue
        rows.append(
            {
                "function": _name(one.code),
                "calls": one.callcount,
                "own": cost.taken_from(one),
            }
        )
    return rows


def _run(output: str) -> int:
    counts = instructions()
    read = counts or time.perf_counter_ns
    cost = Cost(read)
    profile = cProfile.Profile(read, 1.0)
    me = os.getpid()
    os.register_at_fork(after_in_child=profile.disable)
    profile.enable()
    try:
        return main()
    finally:
        profile.disable()
        if os.getpid() == me:  # and none of the children that it forks
            unit = "instructions" if counts else "ns"
            with open(output, "w") as file:
                json.dump({"unit": unit, "functions": _found(profile, cost)}, file)


if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    sys.exit(_run(chosen))
