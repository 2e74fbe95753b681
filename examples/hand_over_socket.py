# SPDX-License-Identifier: MIT
"""A connection is accepted by one process and served by another; the client notices nothing.

    .venv/bin/fdbrokerd --run -- .venv/bin/python3 examples/hand_over_socket.py

The acceptor puts each connection into the broker's store under a name of its own, and forgets it.
A worker, which needs no relation to the acceptor, takes it out of there and answers.
"""

import os
import socket
import subprocess
import sys

from fdbrokerd import Client

ITEMS = ["store/connection-0", "store/connection-1"]
PATIENCE_SECONDS = 10


def accept() -> None:
    """Accept connections, start what is beside it here, and hand the connections over."""
    with Client() as broker, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        port = listener.getsockname()[1]
        client = subprocess.Popen([sys.executable, __file__, "client", str(port)])
        worker = subprocess.Popen([sys.executable, __file__, "worker"])
        with client, worker:
            for item in ITEMS:
                connection, (host, from_port) = listener.accept()
                with connection:  # our copy is closed here; the one in the store is not
                    known = {"from": f"{host}:{from_port}", "by": f"process {os.getpid()}"}
                    broker.put(item, connection, metadata=known)
        if client.returncode or worker.returncode:
            sys.exit("the client or the worker failed")


def work() -> None:
    """Take each connection out of the store, as soon as it is there, and answer."""
    with Client() as broker:
        for item in ITEMS:
            with broker.take(item, wait_seconds=PATIENCE_SECONDS) as taken:
                known = taken.properties  # the metadata
                text = f"process {os.getpid()} serves {known['from']}, accepted by {known['by']}"
                with taken.socket() as connection:
                    connection.sendall(text.encode())
                # Now it is done, and the store forgets it. If this process had died before, the
                # connection would still be there: open, and for the next worker to take.
                taken.commit()


def ask(port: int) -> None:
    """Connect, and print who answers."""
    for _ in ITEMS:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection,
            connection.makefile() as answer,
        ):
            # To the end of the stream, which is where the last copy of the other end is closed.
            print(f"the client hears: {answer.read()}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["client", port]:
            ask(int(port))
        case ["worker"]:
            work()
        case _:
            accept()
