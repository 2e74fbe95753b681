# SPDX-License-Identifier: MIT
"""Running the daemon to its end: as a program, or, faster, in a fork that has it imported."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from fdbrokerd.cli.daemon import main

from .broker import COMMANDS, environment
from .identity import User, in_child
from .process import PATIENCE

Done = subprocess.CompletedProcess[str]


def run(
    *arguments: str,
    command: Sequence[str] = COMMANDS["uvloop"],
    keep: Sequence[int] = (),
    **variables: str,
) -> Done:
    """Run the program to its end. `keep`: descriptors that it inherits."""
    return subprocess.run(
        [*command, *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        pass_fds=keep,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def run_forked(*arguments: str, passed: int | None = None, **variables: str) -> Done:
    """Run what the program does to its end, in a fork, which need not import it.

    `passed`: a descriptor that the service manager passes, as number 3.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:

        def act() -> None:
            os.environ.update(variables)
            os.dup2(out.fileno(), 1)
            os.dup2(said.fileno(), 2)
            if passed is not None:
                os.dup2(passed, 3)
                os.closerange(4, os.sysconf("SC_OPEN_MAX"))
                os.environ["LISTEN_PID"] = str(os.getpid())
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

        status = in_child(act, User())
        texts = []
        for file in (out, said):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, status, *texts)
