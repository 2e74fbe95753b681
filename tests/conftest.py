# SPDX-License-Identifier: MIT
"""What every test gets: a check that it ends with the descriptors that it began with.

In CI (FDBROKER_CI=1) a skip is a failure: it would hide that a part is missing.
"""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest


def pytest_configure() -> None:
    """Let a hang-up end what is tested, also where the tests run below nohup(1)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Put what was imported out of the collector's sight: it collects after each test."""
    gc.collect()
    gc.freeze()


def _open_descriptors() -> dict[int, str]:
    table = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own descriptor
            table[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return table


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Fail a test that leaves a descriptor open, or closes one that is not its own."""
    gc.collect()
    before = _open_descriptors()
    yield
    gc.collect()
    after = _open_descriptors()
    left = {number: what for number, what in after.items() if number not in before}
    lost = {number: what for number, what in before.items() if number not in after}
    assert not left, f"descriptors left open: {left}"
    assert not lost, f"descriptors closed that were not the test's: {lost}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where CI counts on it."""
    report = yield
    if report.skipped and os.environ.get("FDBROKER_CI") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"
    return report
