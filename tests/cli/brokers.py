# SPDX-License-Identifier: MIT
"""Real brokers and real programs for the tests of the client's command lines."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMON = [sys.executable, "-m", "fdbrokerd.cli.daemon"]
GET = [sys.executable, "-m", "fdbrokerd.cli.get"]
PUT = [sys.executable, "-m", "fdbrokerd.cli.put"]
CTL = [sys.executable, "-m", "fdbrokerd.cli.ctl"]

PATIENCE = 20.0
"""Seconds; waited for in full only where a test fails."""


def environment(address: str = "", **more: str) -> dict[str, str]:
    """Return the environment of a program that finds this package, and a broker."""
    return {**os.environ, "FDBROKER_SOCKET": address, "PYTHONPATH": str(ROOT), **more}


def get(
    address: str, *arguments: str, text: str = "", number: int | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run fdbroker-get to its end, with a text as standard input and perhaps a descriptor."""
    return run(GET, address, *arguments, text=text, number=number, **variables)


def run(
    program: list[str],
    address: str,
    *arguments: str,
    text: str = "",
    number: int | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in the same way."""
    return subprocess.run(
        [*program, *arguments],
        env=environment(address, **variables),
        input=text,
        pass_fds=() if number is None else (number,),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@contextmanager
def running_broker(directory: Path, rules: str, settings_too: str = "") -> Iterator[str]:
    """Run a broker with some rules; yield its address once it says that it is ready."""
    address = str(directory / "broker")
    (directory / "rules").mkdir()
    (directory / "rules" / "rules.yaml").write_text(rules)
    settings = directory / "fdbrokerd.yaml"
    settings.write_text(
        f'fdbroker: 1\nlisten: [{{address: "{address}"}}]\n'
        f'rules-dirs: ["{directory / "rules"}"]\naudit: {{journal: false}}\n{settings_too}'
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(directory / "notify"))
        notified.settimeout(PATIENCE)
        with subprocess.Popen(
            [*DAEMON, "--config", str(settings)],
            env=environment(NOTIFY_SOCKET=str(directory / "notify")),
            stdin=subprocess.DEVNULL,
        ) as daemon:
            try:
                while b"READY=1" not in notified.recv(4096):
                    pass
                yield address
            finally:
                daemon.terminate()
