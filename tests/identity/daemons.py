# SPDX-License-Identifier: MIT
"""The daemon under other circumstances.

python -m tests.identity.daemons CIRCUMSTANCE… -- OPTION…

old-kernel   the kernel has no SO_PEERPIDFD: Linux before 6.5
certain      it believes that it can learn of every process's program
watched      what it opens, reads or asks of in /proc is written to $PROC_LOG
"""

import os
import sys
from errno import ENOPROTOOPT

from fdbrokerd import determinable
from fdbrokerd.cli import daemon
from fdbrokerd.facts import SO_PEERPIDFD

from .broker import DAEMON
from .kernel import refuse_socket_option


def command(*circumstances: str) -> tuple[str, ...]:
    """Return the command of a daemon under some circumstances."""
    return (DAEMON[0], "-m", __name__, *circumstances, "--")


def _be_certain() -> None:
    determinable._pins_peers = lambda: True
    determinable._no_exe = lambda: None


def _watch() -> None:
    """Log every path of proc; audit events tell of what is opened, but of no link and no stat."""
    log = os.open(os.environ["PROC_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    readlink, stat = os.readlink, os.stat

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith("/proc/"):
            os.write(log, f"{arguments[0]}\n".encode())

    def noted_readlink(path: str) -> str:
        note("open", (path,))
        return readlink(path)

    def noted_stat(path: str | int, **options: object) -> os.stat_result:
        note("open", (path,))
        return stat(path, **options)  # type: ignore[arg-type]

    sys.addaudithook(note)
    os.readlink = noted_readlink  # type: ignore[assignment]
    os.stat = noted_stat  # type: ignore[assignment]


def _main() -> int:
    circumstances, options = sys.argv[1:], sys.argv[sys.argv.index("--") + 1 :]
    if "old-kernel" in circumstances:
        refuse_socket_option(SO_PEERPIDFD, ENOPROTOOPT)
    if "certain" in circumstances:
        _be_certain()
    if "watched" in circumstances:
        _watch()
    return daemon.main(options)


if __name__ == "__main__":
    sys.exit(_main())
