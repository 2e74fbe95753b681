# SPDX-License-Identifier: MIT
"""A terminal moves from one process to its successor; the program that runs on it goes on.

    .venv/bin/fdbrokerd --run -- .venv/bin/python3 examples/successor.py

Who holds the master of a pty holds the terminal: once the last copy is closed, it is hung up. The
first process puts it into the broker's store before it exits, so there always is one. Thus can a
terminal server be restarted, or a new version of it started, with all sessions open.
"""

import os
import subprocess
import sys

from fdbrokerd import Client, popen

NAME = "store/terminal"
SHELL = 'while read -r line; do n=$((n + 1)); echo "shell $$ heard, as number $n: $line"; done'
PATIENCE_SECONDS = 10


def first() -> None:
    """Start a shell on a terminal, talk to it, and leave it to whoever comes next."""
    with Client() as broker, broker.get("pty") as pty:
        streams = dict.fromkeys((0, 1, 2), pty["slave"])
        # In a session of its own, or it would be hung up with ours.
        popen(["sh", "-c", SHELL], streams, start_new_session=True)
        talk(pty.fileno("master"), "hello")
        # The slave too: a master can be read only while somebody has the slave open, and the shell
        # may end before the successor is there. Several descriptors are put and taken together.
        broker.put(NAME, {"master": pty["master"], "slave": pty["slave"]})


def succeed() -> None:
    """Take the terminal over, and go on with the shell that runs on it."""
    with Client() as broker, broker.take(NAME, wait_seconds=PATIENCE_SECONDS) as pty:
        pty.commit()  # from now on it is ours alone, and nobody else can take it
        talk(pty.fileno("master"), "hello again")
        os.write(pty.fileno("master"), b"\x04")  # ^D, the end of its input: the shell ends
        pty["slave"].close()
        try:
            while os.read(pty.fileno("master"), 4096):
                pass
        except OSError:  # EIO: the last one to use the slave, the shell, has closed it
            print(f"process {os.getpid()}: the shell has ended")


def talk(master: int, line: str) -> None:
    """Write a line to the terminal and print what the shell answers."""
    os.write(master, f"{line}\n".encode())
    heard = b""
    while not heard.endswith(f": {line}\r\n".encode()):  # the terminal's echo comes first
        heard += os.read(master, 4096)
    print(f"process {os.getpid()}: {heard.splitlines()[-1].decode()}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["first"]:
        first()
    else:
        subprocess.run([sys.executable, __file__, "first"], check=True)
        succeed()
