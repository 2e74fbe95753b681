# SPDX-License-Identifier: MIT
"""A daemon with some rules, which can be stopped for a moment."""

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fdbrokerd.fd import OwnedFd

from .wire import PATIENCE, connect

ROOT = Path(__file__).resolve().parents[2]
DAEMON = (sys.executable, "-m", "fdbrokerd.cli.daemon")
MANAGER = "io.fdbroker.Manager."

NOTE = "note: {kind: file, path: /etc/passwd, access: read}"
"""A resource: a file that everybody may read anyway and every machine has."""


def rules(*lines: str, resources: Sequence[str] = (NOTE,)) -> str:
    """Return a file of rules, one a line, each in flow style without its braces."""
    text = "fdbroker: 1\nresources:\n" + "".join(f"  {line}\n" for line in resources)
    return text + "rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


class Broker:
    """A daemon that has said that it is ready."""

    def __init__(
        self, directory: Path, process: subprocess.Popen[bytes], notified: socket.socket
    ) -> None:
        self.directory = directory
        self.address = (directory / "address").read_text()
        self.process = process
        self._notified = notified

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    def await_ready(self) -> None:
        """Wait until it says that it is ready, at its start or after a reload."""
        with OwnedFd(os.pidfd_open(self.pid)) as end:
            waiting = [self._notified.fileno(), end.fileno()]
            while select.select(waiting, [], [], PATIENCE)[0] not in ([], waiting[1:]):
                if b"READY=1" in self._notified.recv(4096):
                    return
        raise AssertionError("it has not become ready")

    def write_rules(self, text: str) -> None:
        """Replace its file of rules, at once."""
        new = self.directory / "new.yaml"
        new.write_text(text)
        new.rename(self.directory / "rules" / "rules.yaml")

    def reload(self, text: str) -> str:
        """Have other rules put in force; return the reason why they are not."""
        self.write_rules(text)
        with connect(self.address) as wire:
            reply = wire.call(f"{MANAGER}Reload")
        self.await_ready()
        return str(reply.parameters.get("message", ""))

    def status(self) -> dict[str, Any]:
        """Return what io.fdbroker.Manager.Status says."""
        with connect(self.address) as wire:
            return wire.call(f"{MANAGER}Status").parameters

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all that was answered by now, but for those of Status."""
        self.status()  # what was recorded before it is written once it is answered
        self.status()
        lines = (self.directory / "audit").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [one for one in records if one["method"] != f"{MANAGER}Status"]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it while the block runs: who connects meanwhile waits to be accepted."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def settings(directory: Path, text: str, served: str = '["*"]') -> Path:
    """Write the files of a daemon; return the path of its settings. `served`: the resources."""
    address = f"@fdbroker-test-{secrets.token_hex(8)}"
    (directory / "rules").mkdir()
    (directory / "rules" / "rules.yaml").write_text(text)
    (directory / "address").write_text(address)
    path = directory / "fdbrokerd.yaml"
    path.write_text(
        f'fdbroker: 1\nlisten: [{{address: "{address}", resources: {served}}}]\n'
        f'rules-dirs: ["{directory / "rules"}"]\n'
        f'audit: {{journal: false, file: "{directory / "audit"}"}}\n'
    )
    return path


@contextmanager
def running(
    directory: Path, text: str, command: Sequence[str] = DAEMON, served: str = '["*"]'
) -> Iterator[Broker]:
    """Run a daemon with some rules; yield it when it is ready. It must end in good order."""
    config = settings(directory, text, served)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(directory / "notify"))
        notified.settimeout(PATIENCE)
        variables = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(directory / "notify")}
        with subprocess.Popen(
            [*command, "--config", str(config)],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
        ) as process:
            broker = Broker(directory, process, notified)
            try:
                broker.await_ready()
                yield broker
            except BaseException:
                process.kill()
                raise
            process.terminate()
            assert process.wait(PATIENCE) == 0


def refused(directory: Path, text: str, command: Sequence[str] = DAEMON) -> str:
    """Start a daemon that must refuse its rules; return what it says."""
    result = subprocess.run(
        [*command, "--config", str(settings(directory, text))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert result.returncode == 78, result
    return result.stderr
