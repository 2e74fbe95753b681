# SPDX-License-Identifier: MIT
"""The command after `--`: found before anything is asked for, then become."""

import os
import stat

from fdbrokerd.cli.disposition import restore_for_exec
from fdbrokerd.errors import EX_CANNOT_RUN, EX_NOT_FOUND, Error

_HEAD_BYTES = 256
"""What execve(2) looks at."""


class NotFound(Error):
    """There is no such program."""

    exit_status = EX_NOT_FOUND


class CannotRun(Error):
    """There is one, and it cannot be run."""

    exit_status = EX_CANNOT_RUN


def find(name: str, path: str | None = None) -> str:
    """Return the path of a program, as execvp(3) finds it. Raises NotFound or CannotRun.

    `path` is searched instead of PATH.
    """
    search = "" if "/" in name else path or os.environ.get("PATH", os.defpath)
    there = False
    for directory in search.split(os.pathsep):
        program = os.path.join(directory, name)
        try:
            regular = stat.S_ISREG(os.stat(program).st_mode)
        except (OSError, ValueError):
            continue
        if regular and os.access(program, os.X_OK):
            return program
        there = True
    if there:
        raise CannotRun(f"{name}: cannot be executed")
    raise NotFound(f"{name}: not found")


def check_interpreter(program: str) -> None:
    """Look for what runs a script, `#!INTERPRETER`. Raises NotFound or CannotRun."""
    try:
        with open(program, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return  # it may be run without being read
    if head.startswith(b"#!") and (words := head[2:].split(b"\n")[0].split()):
        try:
            find(os.fsdecode(words[0]))
        except Error as error:
            raise type(error)(f"{program}: its interpreter {error}") from error


def become(path: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a program; returns never. Raises CannotRun or NotFound."""
    restore_for_exec()
    try:
        os.execve(path, arguments, environment)  # noqa: S606 (no shell is the point)
    except FileNotFoundError as error:  # the interpreter of a script
        raise NotFound(f"{path}: {os.strerror(error.errno or 0)}") from error
    except OSError as error:
        raise CannotRun(f"{path}: {os.strerror(error.errno or 0)}") from error
