# SPDX-License-Identifier: MIT
"""Rules that are swapped, torn or poisoned while a daemon reads them: all of them or none."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.core.processes import other_process
from tests.daemon.broker import Files, running
from tests.daemon.identity import User
from tests.daemon.programs import run_forked
from tests.daemon.wire import MANAGER, Wire

PERSON = User(1000)
RELOADS = 25
SOON_SECONDS = 5.0

RESOURCES = "".join(f"  r{number}: {{kind: eventfd}}\n" for number in range(50))
ONE = (
    f"fdbroker: 1\nresources:\n  a: {{kind: pty}}\n  b: {{kind: pty}}\n{RESOURCES}rules:\n"
    "  - {id: a, allow: a, peer: {uid: 1000}}\n  - {id: b, deny: b, peer: {uid: 1000}}\n"
)
OTHER = ONE.replace("allow: a", "allow: b").replace("deny: b", "deny: a")


def given(wire: Wire) -> tuple[bool, bool]:
    """Tell which of the two are given."""
    answers = []
    for resource in ("a", "b"):
        reply = wire.call("Get", resource=resource)
        assert reply.error in {"", "Denied"}
        answers.append(not reply.error)
        wire.close_descriptors()
    return answers[0], answers[1]


def test_a_file_that_is_replaced_all_the_time(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.rules.write_text(ONE)
    stop = tmp_path / "stop"

    def replace() -> None:
        new = tmp_path / "new"
        while not stop.exists():
            for text in (ONE, OTHER):
                new.write_text(text)
                new.rename(files.rules)

    def write() -> None:
        """Write it in place, as an editor may."""
        while not stop.exists():
            for text in (ONE, OTHER):
                files.rules.write_text(text)

    with running(files) as broker, Wire(broker.address) as admin:
        with Wire(broker.address, PERSON) as person, other_process(replace):
            try:
                found = {_reloaded(admin, person) for _ in range(RELOADS)}
            finally:
                stop.touch()
        assert found == {(True, False), (False, True)}, "each of them, and nothing between"
        stop.unlink()
        with Wire(broker.address, PERSON) as person, other_process(write):
            try:
                found = {_reloaded(admin, person) for _ in range(RELOADS)}
            finally:
                stop.touch()
        assert (True, True) not in found


def _reloaded(admin: Wire, person: Wire) -> tuple[bool, bool]:
    assert admin.call(f"{MANAGER}Reload").error in {"", "ReloadFailed"}
    return given(person)


def poison(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text)


def stranger(file: Path) -> None:
    os.chown(file, 1000, 1000)


def linked(file: Path) -> None:
    theirs = file.parent.parent / "theirs"
    theirs.mkdir(exist_ok=True)
    os.chown(theirs, 1000, 1000)
    file.rename(theirs / "rules.yaml")
    file.symlink_to(theirs / "rules.yaml")


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


_BOMB = "".join(f"  x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 30))
POISONS: dict[str, Callable[[Path], object]] = {
    "aliases": poison(f"fdbroker: 1\nresources:\n  x0: &x0 [pty]\n{_BOMB}"),
    "a key twice": poison(ONE + "rules: []\n"),
    "a resource twice": poison(ONE.replace("  b: {kind: pty}\n", "  a: {kind: pty}\n")),
    "nested": poison("fdbroker: 1\nresources: " + "[" * 200_000),
    "long": poison(ONE + "#" * 300_000),
    "a tag": poison(ONE.replace("kind: pty}", "kind: !!python/name:os.system pty}", 1)),
    "a NUL": poison(ONE + "\0"),
    "writable": lambda file: file.chmod(0o666),
    "in a writable directory": lambda file: file.parent.chmod(0o777),
    "a stranger's": stranger,
    "a link into a stranger's directory": linked,
    "a FIFO": fifo,
    "half of it": poison(ONE[: ONE.index("rules:") + 20]),
}


def test_poisoned_files_change_nothing(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.rules.write_text(ONE)
    with running(files) as broker, Wire(broker.address) as admin:
        for name, act in POISONS.items():
            files.rules.unlink()
            files.rules.parent.chmod(0o755)
            files.rules.write_text(OTHER)
            act(files.rules)
            begun = monotonic()
            reply = admin.call(f"{MANAGER}Reload")
            assert reply.error == "ReloadFailed", name
            assert monotonic() - begun < SOON_SECONDS, name
            with Wire(broker.address, PERSON) as person:
                assert given(person) == (True, False), name
        files.rules.unlink()
        files.rules.write_text(OTHER)
        assert admin.call(f"{MANAGER}Reload").error == ""
        with Wire(broker.address, PERSON) as person:
            assert given(person) == (False, True)


def test_files_that_are_not_to_be_believed_at_start(tmp_path: Path) -> None:
    """The settings too, and their directory: what is believed of them decides about the rest."""
    files = Files(tmp_path, "")
    for path, mode in ((files.settings, 0o646), (files.rules, 0o664), (tmp_path, 0o777)):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        done = run_forked("--config", str(files.settings))
        assert (done.returncode, str(path) in done.stderr) == (78, True), done.stderr
        path.chmod(before)


@pytest.fixture(autouse=True)
def private_files() -> Iterator[None]:
    """Make files that only their owner may write, whatever the umask of whoever runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)
