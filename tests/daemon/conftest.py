# SPDX-License-Identifier: MIT
"""One daemon on each loop for what many tests can share; the others start their own."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import needs

from .broker import COMMANDS, Files, RunningBroker, running

# CI takes a skip for a fault. This one is none: the booted tests cover it.
_SKIPPED_IN_CI = os.environ.get("FDBROKER_CI") == "1" and shutil.which("varlinkctl") is None
collect_ignore = ["test_varlinkctl.py"] if _SKIPPED_IN_CI else []

RULES = """
resources:
  pty: {kind: pty}
  note: {kind: file, root: $DIR, path: note, access: read}
  own: {kind: file, root: $DIR, path: "log-${uid}", access: append, create: {mode: "0640", owner: "${user}"}}
  part: {kind: file, root: $DIR, path: "part-${name}", access: read, arguments: {name: {enum: [a, b]}}}
  staff: {kind: file, root: $DIR, path: note, access: read}
  secret: {kind: file, root: $DIR, path: note, access: read}
  hinted: {kind: file, root: $DIR, path: note, access: read}
rules:
  - {id: everybody, allow: [pty, note, own, part], peer: {uid: ["0", "1000-59999"]}}
  - {id: staff-only, allow: staff, peer: {gid: 4242}}
  - {id: nobody-yet, deny: hinted, hint: Ask the administrator.}
"""  # noqa: E501 (rules read best a line each)


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    """Be root: the tests act as several users."""
    needs.need_root("they act as several users")


@pytest.fixture(scope="session", autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is compiled for the next daemon: there are a hundred of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.fixture(scope="session", params=list(COMMANDS))
def loop(request: pytest.FixtureRequest) -> str:
    """Name each event loop in turn."""
    if request.param == "uvloop" and find_spec("uvloop") is None:
        needs.cannot("needs uvloop")
    return str(request.param)


@pytest.fixture(scope="session")
def shared(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Run one daemon for all tests that leave it as it was."""
    files = Files(tmp_path_factory.mktemp("shared"), RULES)
    (files.directory / "note").write_text("a note\n")
    (files.directory / "part-a").write_text("part a\n")
    with running(files, COMMANDS[loop]) as broker:
        yield broker
        assert broker.stop() == 0


@pytest.fixture
def broker(shared: RunningBroker) -> Iterator[RunningBroker]:
    """Lend the shared daemon; it must live on and have as many descriptors as before."""
    before = shared.descriptors()
    shared.forget()
    yield shared
    assert shared.descriptors() == before


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Write the same rules for a daemon of the test's own."""
    made = Files(tmp_path, RULES)
    (tmp_path / "note").write_text("a note\n")
    return made
