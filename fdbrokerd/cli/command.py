# SPDX-License-Identifier: MIT
"""The command after `--`: found before anything is asked for, then become."""

from _stat import S_ISREG
from posix import X_OK, access, execve, stat, strerror

from fdbrokerd.cli.disposition import restore_for_exec
from fdbrokerd.client.environment import environment
from fdbrokerd.errors import EX_CANNOT_RUN, EX_NOT_FOUND, Error

_HEAD_BYTES = 256
"""What execve(2) looks at."""

_DEFAULT_PATH = "/bin:/usr/bin"
"""As os.defpath."""


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
    search = "" if "/" in name else path or environment().get("PATH", _DEFAULT_PATH)
    there = False
    for directory in search.split(":"):
        program = f"{directory}/{name}" if directory else name
        try:
            regular = S_ISREG(stat(program).st_mode)
        except (OSError, ValueError):
            continue
        if regular and access(program, X_OK):
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
            find(words[0].decode(errors="surrogateescape"))
        except Error as error:
            raise type(error)(f"{program}: its interpreter {error}") from error


def become(path: str, arguments: list[str], variables: dict[str, str]) -> None:
    """Replace this process by a program; returns never. Raises CannotRun or NotFound."""
    restore_for_exec()
    try:
        execve(path, arguments, variables)
    except FileNotFoundError as error:  # the interpreter of a script
        raise NotFound(f"{path}: {strerror(error.errno or 0)}") from error
    except OSError as error:
        raise CannotRun(f"{path}: {strerror(error.errno or 0)}") from error
