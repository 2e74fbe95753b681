# SPDX-License-Identifier: MIT
"""A booted machine: a real systemd over a root tree that it leaves untouched."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .boot import ENVIRONMENT, boot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

COMMAND_SECONDS = 30
"""Far above what any command here takes: only a hang gets here."""

# Into the cgroup for commands, and dead with the nsenter that waits for it, so that killing one
# kills the other.
JOIN = """\
procs=$1
echo 0 >&"$procs" && exec {procs}>&-
unset PWD SHLVL
exec setpriv --pdeathsig KILL "${@:2}"
"""


class CommandError(Exception):
    """A command in the machine failed; the text holds all that it said."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        """Keep the result for tests that look closer."""
        super().__init__(
            f"{' '.join(result.args)}: exit status {result.returncode}\n"
            f"{result.stdout}{result.stderr}"
        )
        self.result = result


class Machine:
    """A machine that boots on entering the context and is dead on leaving it.

    `tree` is the root, "/" for this system's own; `site` a directory of Python packages to
    show in it, read-only.
    """

    def __init__(self, tree: Path | str, *, site: Path | None = None) -> None:
        self.tree = Path(tree)
        self.site = site
        self.boot_seconds = 0.0
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Boot, and return when systemd says that it is ready."""
        started = time.monotonic()
        self._door = self._undo.enter_context(boot(self.tree, self.site))
        self.pid = self._door.pid
        self.boot_seconds = time.monotonic() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut down."""
        self.shutdown()

    def shutdown(self) -> None:
        """Kill everything in the machine, and wait until nothing is left of it."""
        self._undo.close()

    def popen(
        self,
        *arguments: str,
        user: str | int | None = None,
        environment: Mapping[str, str] | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command in no unit's cgroup, with pipes to its input and from its output.

        Killing the result kills the command.
        """
        namespaces = self._door.namespaces.items()
        enter = [f"--{option}=/proc/{os.getpid()}/fd/{fd}" for option, fd in namespaces]
        join = ["bash", "-c", JOIN, "bash", str(self._door.procs)]
        become = [] if user is None else self._become(user)
        return subprocess.Popen(
            ["nsenter", *enter, "--", *join, *become, "--", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**ENVIRONMENT, **(environment or {})},
            pass_fds=[self._door.procs],
            start_new_session=True,
        )

    def _become(self, user: str | int) -> list[str]:
        if isinstance(user, int):
            return ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
        group = self.run("id", "--group", user).stdout.strip()
        return ["--reuid", user, "--regid", group, "--init-groups"]

    def run(
        self,
        *arguments: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002  subprocess.run's own name for it
        user: str | int | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine to its end; a number as user has no other groups."""
        with self.popen(
            *arguments, user=user, environment=environment, stderr=subprocess.PIPE
        ) as process:
            try:
                stdout, stderr = process.communicate(input, timeout)
            except BaseException:
                process.kill()
                raise
        result = subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)
        if check and result.returncode != 0:
            raise CommandError(result)
        return result

    def systemctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl."""
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit: str, key: str) -> str:
        """Read one property of a unit."""
        return self.systemctl("show", "--value", f"--property={key}", unit).stdout.strip()

    def journal(self, *matches: str) -> list[dict[str, str]]:
        """Read the records that match, oldest first, with all that was sent by now."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--quiet", "--output=json", *matches).stdout.splitlines()
        return [_record(line) for line in lines]

    def wait_for_journal(
        self, *matches: str, count: int = 1, timeout: float = COMMAND_SECONDS
    ) -> list[dict[str, str]]:
        """Wait until that many records match, and return them."""
        records: list[dict[str, str]] = []
        follow = ("journalctl", "--follow", "--no-tail", "--quiet", "--output=json", *matches)
        with self.popen(*follow) as process:
            timer = threading.Timer(timeout, process.kill)
            timer.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    records.append(_record(line))
                    if len(records) == count:
                        return records
            finally:
                timer.cancel()
                process.kill()
        raise TimeoutError(f"{len(records)} of {count} records {matches} in {timeout} s")

    def write(self, files: Mapping[str, bytes | str], mode: int = 0o644) -> None:
        """Write files by their absolute paths, owned by root, with the directories on the way."""
        # Unpacked inside: from outside, the tree's absolute links would lead into the host.
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode = len(data), mode
                tar.addfile(member, io.BytesIO(data))
        # A command's input is text.
        encoded = base64.b64encode(archive.getvalue()).decode()
        self.run("sh", "-c", "base64 --decode | tar -xC /", input=encoded)


def _record(line: str) -> dict[str, str]:
    """Take what is text: a journal field can be binary, or be there more than once."""
    return {name: value for name, value in json.loads(line).items() if isinstance(value, str)}
