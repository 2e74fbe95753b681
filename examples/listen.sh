#!/bin/sh
# SPDX-License-Identifier: MIT
# A listening socket outlives the service that uses it: it is kept in the broker's store, and each
# start of the service gets it from there. Who connects while no service runs waits, and is served.
#
#     .venv/bin/fdbrokerd --run -- examples/listen.sh
set -eu

# A shell cannot make a socket, so this makes one and becomes fdbroker-put, which puts it under a
# name. When that has ended, only the broker has the socket.
port=$(python3 -c '
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
listener.set_inheritable(True)
port = listener.getsockname()[1]
print(port, flush=True)
web = ["store/web", "--fd", f"{listener.fileno()}:http", "--meta", f"port={port}"]
os.execvp("fdbroker-put", ["fdbroker-put", *web])
')
echo "a socket listens on port $port, and no service runs"
fdbrokerctl list -l | grep store/web

# With --listen a service gets it as from systemd: 3 is the first of $LISTEN_FDS descriptors, called
# $LISTEN_FDNAMES, and meant for the process $LISTEN_PID. This one serves one client and ends.
serve() {
    fdbroker-get store/web --listen -- python3 -c '
import os, socket
if os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1":
    with socket.socket(fileno=3) as listener, listener.accept()[0] as connection:
        names = os.environ["LISTEN_FDNAMES"]
        connection.sendall(f"service {os.getpid()} answers, on {names}".encode())
'
}

# A client: connects to the port and prints what it hears.
ask() {
    python3 -c '
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as connection:
    print("the client hears:", connection.makefile().read())
' "$port"
}

for start in 1 2; do
    ask & # before there is a service: it waits, its connection is in the socket's queue
    serve
    wait $!
    echo "start $start of the service has ended"
done
fdbrokerctl remove store/web
