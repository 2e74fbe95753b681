# SPDX-License-Identifier: MIT
"""python -m tests.threats.few_terminals COUNT COMMAND…: go on where there are no more than these.

The devpts is one of its own, in a mount namespace of its own: the machine's limit is for all of it.
"""

import os
import sys

from tests.core.processes import MS_BIND, mount, own_mounts


def _main() -> None:
    count, *command = sys.argv[1:]
    own_mounts()
    options = f"newinstance,ptmxmode=0666,mode=600,max={count}"
    mount("devpts", "/dev/pts", "devpts", options=options)
    mount("/dev/pts/ptmx", "/dev/ptmx", "", MS_BIND)
    os.setsid()
    os.execv(command[0], command)  # noqa: S606 (there is nothing for a shell to read)


if __name__ == "__main__":
    _main()
