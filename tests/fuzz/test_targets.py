# SPDX-License-Identifier: MIT
"""Each harness over its corpus and some thousand inputs made of it, the same in every run."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.calls import METHODS

from . import campaign, worker
from .mutation import Mutator
from .roster import TARGETS, Target
from .targets import calls, framing

SEED = 1
INPUTS = {
    "answers": 20_000,
    "calls": 30_000,
    "deposit": 6000,
    "framing": 15_000,
    "pattern": 4000,
    "record": 8000,
    "rules": 2500,
    "settings": 6000,
    "table": 7500,
}
"""About a second of each."""

SECONDS = 40.0
"""Never reached, but by what hangs."""


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_promised_of_any_bytes(name: str) -> None:
    target = TARGETS[name]
    inputs = Mutator(SEED, target.corpus(), target.tokens, target.max_bytes).inputs()
    outcome = worker.run(target, inputs, SECONDS, INPUTS[name])
    assert outcome.data is None, f"{outcome.data!r}\n{outcome.said}"
    assert outcome.tried == INPUTS[name]


often = settings(max_examples=100, deadline=None, derandomize=True, database=None)
values = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3))
)
members = st.dictionaries(
    st.sampled_from(
        ["resource", "item", "names", "count", "waitUSec", "as", "do", "pid", "request", "replace"]
    ),
    values,
    max_size=4,
)


@given(st.sampled_from(sorted(METHODS)), members, st.booleans())
@often
def test_calls_that_are_nearly_right(
    method: str, parameters: dict[str, object], oneway: object
) -> None:
    call = {"method": method, "parameters": parameters, "oneway": oneway}
    calls.check(msgspec.json.encode(call))


@given(
    st.binary(max_size=60), st.lists(st.binary(max_size=20).filter(lambda data: b"\0" not in data))
)
@often
def test_any_chunks_of_a_stream(head: bytes, messages: list[bytes]) -> None:
    framing.check(head + b"\0".join(messages))


# That the harnesses see what is broken.


def test_an_assertion_is_found() -> None:
    outcome = worker.run(_broken(_fails), iter([b"good", b"bad", b"later"]), SECONDS, 10)
    assert (outcome.tried, outcome.data) == (2, b"bad")
    assert "AssertionError" in outcome.said


def test_a_crash_and_a_hang_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "INPUT_SECONDS", 0.3)
    for harness in (_crashes, _hangs):
        outcome = worker.run(_broken(harness), iter([b"good", b"bad"]), SECONDS, 10)
        assert (outcome.tried, outcome.data) == (2, b"bad")
        assert outcome.said == "the process ended with -9"


def test_too_much_memory_is_found() -> None:
    outcome = worker.run(_broken(_takes), iter([b"good", b"bad"]), SECONDS, 10)
    assert (outcome.tried, outcome.data) == (2, b"bad")
    assert "MemoryError" in outcome.said


def test_what_is_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file of its own, with the command that tries it again."""
    monkeypatch.setattr(campaign, "FINDINGS", tmp_path / "findings")
    monkeypatch.setattr(campaign, "engine", lambda: "mutation")
    (found,) = campaign.run(Target("broken", _fails, (b"bad",)), SECONDS, SEED).findings
    assert found.read_bytes() == b"bad"
    assert f"again by tools/fuzz --replay broken {found}" in capsys.readouterr().err


def _broken(check: Callable[[bytes], None]) -> Target:
    return Target("broken", check, ())


def _fails(data: bytes) -> None:
    assert data != b"bad"


def _crashes(data: bytes) -> None:
    if data == b"bad":
        os.kill(os.getpid(), signal.SIGKILL)


def _hangs(data: bytes) -> None:
    while data == b"bad":
        pass


def _takes(data: bytes) -> None:
    if data == b"bad":
        bytearray(2 * worker.MEMORY_BYTES)
