# SPDX-License-Identifier: MIT
"""A daemon for a test: its files, its process, what it says and what it records."""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fdbrokerd.fd import OwnedFd

from .notifications import Notifications
from .process import PATIENCE, descriptors, wait_until
from .wire import MANAGER, Wire

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_UVLOOP = (
    "import sys; sys.modules['uvloop'] = None; "
    "from fdbrokerd.cli.daemon import main; sys.exit(main())"
)
COMMANDS: Mapping[str, Sequence[str]] = {
    "uvloop": (sys.executable, "-m", "fdbrokerd.cli.daemon"),
    "asyncio": (sys.executable, "-c", WITHOUT_UVLOOP),
}
"""The program on either loop; it takes uvloop's where that can be imported."""

Record = dict[str, Any]


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which the package is found, and a few variables more."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


class Files:
    """The settings and rules of a daemon. No two have the same address."""

    def __init__(self, directory: Path, rules: str = "", **settings: str) -> None:
        """Write them. `settings` replace whole sections: limits="{connections: 3}"."""
        self.directory = directory
        self.address = f"@fdbroker-test-{secrets.token_hex(8)}"
        self.path = str(directory / "socket")
        self.audit = directory / "audit.jsonl"
        self.rules = directory / "rules.d" / "rules.yaml"
        self.settings = directory / "fdbrokerd.yaml"
        self.rules.parent.mkdir()
        self.write_rules(rules)
        self._sections = {
            "listen": f'[{{address: "{self.address}"}}, {{address: "{self.path}"}}]',
            "rules-dirs": f'["{self.rules.parent}"]',
            "audit": f'{{journal: false, file: "{self.audit}"}}',
        }
        self.write_settings(**settings)

    def write_rules(self, rules: str) -> None:
        """Write the one file of rules; `$DIR` in it stands for the directory."""
        text = rules.replace("$DIR", str(self.directory))
        self.rules.write_text(f"fdbroker: 1\n{text}")

    def write_settings(self, **settings: str) -> None:
        """Write the settings; what is given stays for the next time."""
        self._sections.update(settings)
        lines = [f"{name}: {value}\n" for name, value in self._sections.items()]
        self.settings.write_text("fdbroker: 1\n" + "".join(lines))


def _status(wire: Wire) -> dict[str, Any]:
    """Return what Manager.Status says, asked twice.

    The records of one turn of the loop are written at its end: what was answered before the first
    call is written when the second one is answered.
    """
    wire.call(f"{MANAGER}Status")
    return wire.call(f"{MANAGER}Status").parameters


class RunningBroker:
    """A daemon that has said that it is ready."""

    def __init__(
        self, process: subprocess.Popen[bytes], files: Files, notifications: Notifications
    ) -> None:
        self.process = process
        self.files = files
        self.notifications = notifications
        self.address = files.address
        self._seen = 0

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    def status(self) -> dict[str, Any]:
        """Return what io.fdbroker.Manager.Status says."""
        with Wire(self.address) as wire:
            return _status(wire)

    def descriptors(self) -> Counter[str]:
        """Return what it has open while nobody but us is connected."""
        with Wire(self.address) as wire:
            wait_until(lambda: _status(wire)["connections"] == 1, "all connections to end")
            return descriptors(self.pid)

    def descriptors_named(self, name: str) -> int:
        """Return how often it has something open."""
        return descriptors(self.pid)[name]

    def lines(self) -> list[Record]:
        """Return what was written since `forget`, Status left out: that is our own question."""
        with self.files.audit.open("rb") as file:
            file.seek(self._seen)
            records = [json.loads(line) for line in file]
        return [one for one in records if one["method"] != f"{MANAGER}Status"]

    def forget(self) -> None:
        """Take no more notice of what is recorded by now."""
        self._seen = self.files.audit.stat().st_size

    def records(self) -> list[Record]:
        """Return what was recorded since `forget`, once all that was answered is."""
        self.status()
        return self.lines()

    def said(self) -> str:
        """Return what it has written to its standard error, but for what it says in passing."""
        text = (self.files.directory / "stderr").read_text()
        passing = ("fdbrokerd: Serving ", "fdbrokerd: Reload failed, ")
        return "".join(one for one in text.splitlines(True) if not one.startswith(passing))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop, and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def _await_ready(broker: RunningBroker) -> None:
    """Return when it says that it is ready; fail when it has ended."""
    with OwnedFd(os.pidfd_open(broker.pid)) as end:
        waiting = [broker.notifications.fileno(), end.fileno()]
        assert select.select(waiting, [], [], PATIENCE)[0] != [end.fileno()], broker.said()
    broker.notifications.until("READY")


@contextmanager
def running(
    files: Files,
    command: Sequence[str] = COMMANDS["uvloop"],
    keep: Sequence[int] = (),
    **variables: str,
) -> Iterator[RunningBroker]:
    """Run a daemon; yield it when it says that it is ready. `keep`: descriptors it inherits.

    Whatever happens to it, it must have nothing to say on its standard error.
    """
    with Notifications() as notifications, (files.directory / "stderr").open("ab") as said:
        with subprocess.Popen(
            [*command, "--config", str(files.settings)],
            env=environment(NOTIFY_SOCKET=notifications.address, **variables),
            stdin=subprocess.DEVNULL,
            stderr=said,
            pass_fds=keep,
        ) as process:
            broker = RunningBroker(process, files, notifications)
            try:
                _await_ready(broker)
                yield broker
            finally:
                if process.poll() is None:
                    process.terminate()
                try:
                    process.wait(PATIENCE)
                finally:
                    process.kill()
        assert broker.said() == "", broker.said()
