# SPDX-License-Identifier: MIT
"""Programs for a machine that put descriptors of every type, and say what they are.

Run in the machine by its own Python with the installed package. What one of them prints is JSON.

fill PREFIX COUNT   puts that many items, says what it put, and lives on until its input ends
look RESOURCE       gets every item of a resource, and says what it got and what List says
names RESOURCE      says which items of a resource there are
hang-up RESOURCE    puts what has lost its other end
clear RESOURCE...   removes every item of some resources
keep-peer NAME      puts one end of a socket pair, and has the other one until its input ends
put NAME SECONDS    puts an item that lasts so long, and says until when
kill PID            kills the daemon, and says how long until somebody answered again
forget NAME...      as a part of the service, has the manager drop what it stores so
damage PID          writes over the table of the daemon
newer PID           has that table be of a newer version until there is a line
share OLD NEW       gets an item and puts the same descriptor under a second name
hold NAME           gets an item, says so, and lives on with it until its input ends
fill-up PID STORE COUNT  puts so many, WAVE at the same moment, and says which ended how
stuff STORE         puts until a Commit waits, while others are served; says how all were answered
expect NAME         watches until the item expires, and says when
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import fdbrokerd

from . import store_pressure
from .store_descriptors import MAKERS, identity, kinds


def fill(prefix: str, count: str) -> None:
    """Put items of every type. Nothing of them stays open here."""
    sorts = kinds()
    made = {}
    started = time.monotonic()
    with fdbrokerd.Client() as broker:
        for number in range(int(count)):
            kind = sorts[number % len(sorts)]
            parts = MAKERS[kind](number)
            name, metadata = f"{prefix}{number}", {"number": str(number), "kind": kind}
            made[name] = {
                "owner": os.geteuid(),
                "metadata": metadata,
                "parts": {part: identity(one) for part, one in parts.items()},
            }
            lasts = None if number % 3 else 3600.0 + number
            broker.put(name, parts, metadata=metadata, ttl_seconds=lasts)
            for one in parts.values():
                os.close(one)
    say({"items": made, "seconds": time.monotonic() - started})
    sys.stdin.read()


def look(resource: str) -> None:
    """Get everything."""
    seen: dict[str, dict[str, object]] = {}
    with fdbrokerd.Client() as broker:
        told = [item for item in broker.list() if item.name.startswith(f"{resource}/")]
        for item in told:
            with broker.get(item.name) as grant:
                parts = {part: identity(grant.fileno(part)) for part in grant.names}
                hung = {part: _hung_up(grant.fileno(part)) for part in grant.names}
                properties = dict(grant.properties)
            seen[item.name] = {
                "owner": item.owner,
                "metadata": dict(item.metadata),
                "parts": parts,
                "got-metadata": properties,
                "hung-up": hung,
                "created": item.created_usec,
                "expires": item.expires_usec,
                "told-parts": [part.name for part in item.descriptors],
                "holders": item.holders,
            }
        say({"items": seen, "store": broker.status()["store"]})


def names(resource: str) -> None:
    """Say what List says."""
    with fdbrokerd.Client() as broker:
        say([item.name for item in broker.list() if item.name.startswith(f"{resource}/")])


def _hung_up(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def hang_up(resource: str) -> None:
    """Put a terminal without a slave, a pipe without a writer and a socket without a peer."""
    (one, other), (read, write), (master, slave) = (socket.socketpair(), os.pipe(), os.openpty())
    other.close()
    os.close(write)
    os.close(slave)
    with fdbrokerd.Client() as broker:
        for name, number in (("pair", one.fileno()), ("pipe", read), ("master", master)):
            broker.put(f"{resource}/{name}", number)


def keep_peer(name: str) -> None:
    """Put a socket whose peer is here."""
    one, other = socket.socketpair()
    with fdbrokerd.Client() as broker, one, other:
        broker.put(name, one)
        one.close()
        say({})
        sys.stdin.read()


def clear(*resources: str) -> None:
    """Remove everything."""
    with fdbrokerd.Client() as broker:
        for item in broker.list():
            if item.owner is not None and item.name.partition("/")[0] in resources:
                broker.remove(item.name)


def put(name: str, seconds: str) -> None:
    """Put a memfd."""
    memory = os.memfd_create("put")
    with fdbrokerd.Client() as broker:
        broker.put(name, memory, ttl_seconds=float(seconds))
        (item,) = (one for one in broker.list() if one.name == name)
    os.close(memory)
    say({"deadline": item.expires_usec})


def forget(*names: str) -> None:
    """Go into the service's cgroup, and notify. Lives on until the manager has looked there."""
    with open("/sys/fs/cgroup/system.slice/fdbrokerd.service/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/run/systemd/notify")
        for name in names:
            sock.send(f"FDSTOREREMOVE=1\nFDNAME={name}".encode())
        read, write = os.pipe()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", write))
        sock.sendmsg([b"BARRIER=1"], [rights])
        os.close(write)
        select.select([read], [], [])
        os.close(read)


def damage(pid: str) -> None:
    """Write over both memfds."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        if os.readlink(path).startswith("/memfd:fdbrokerd-table"):
            with open(path, "r+b") as table:
                table.write(b"nonsense")


def newer(pid: str) -> None:
    """Change the version in the header, and change it back when nobody has the table but pid 1."""
    with ExitStack() as stack:
        tables = []
        for number in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{number}"
            if os.readlink(path).startswith("/memfd:fdbrokerd-table"):
                table = stack.enter_context(open(path, "r+b", buffering=0))
                if len(table.read(9)) == 9:
                    tables.append(table)
        for table in tables:
            os.pwrite(table.fileno(), b"\xff", 8)
        say({"tables": len(tables)})
        sys.stdin.readline()
        for table in tables:
            os.pwrite(table.fileno(), b"\x01", 8)


def kill(pid: str) -> None:
    """Kill the daemon, and ask the next one."""
    with ExitStack() as stack:
        pidfd = os.pidfd_open(int(pid))
        stack.callback(os.close, pidfd)
        started = time.monotonic()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        select.select([pidfd], [], [])
        with fdbrokerd.Client() as broker:
            status = broker.status()
        say({"seconds": time.monotonic() - started, "pid": status["pid"]})


def share(old: str, new: str) -> None:
    """Put what is there under another name, too."""
    with fdbrokerd.Client() as broker, broker.get(old) as grant:
        broker.put(new, grant.fileno())


def hold(name: str) -> None:
    """Get an item and keep its lease."""
    with fdbrokerd.Client() as broker:
        try:
            grant = broker.get(name)
        except fdbrokerd.LimitReached as error:
            say({"error": type(error).__name__, "limit": error.limit})
            return
        say({"error": ""})
        sys.stdin.read()
        grant.close_descriptors()


def expect(name: str) -> None:
    """Watch an item to its end."""
    with fdbrokerd.Client() as broker, broker.watch(name) as watched:
        (item,) = (one for one in broker.list() if one.name == name)
        say({"deadline": item.expires_usec})
        events = []
        for event in watched:
            events.append(event.event)
            if event.event in {"expired", "removed"}:
                say({"events": events, "at": time.time_ns() // 1000})
                return


def fill_up(pid: str, store: str, count: str) -> None:
    """Put many at the same moment."""
    say(store_pressure.fill_up(int(pid), store, int(count)))


def stuff(store: str) -> None:
    """Put until a Commit waits, and wait for a line before the answers."""
    committed, waiting, still = store_pressure.stuff(store)
    say({"committed": committed, "waiting": still})
    sys.stdin.readline()
    deadline = time.monotonic() + 30
    say({one.name: one.outcome(deadline) for one in waiting})


def say(what: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(what), flush=True)


PROGRAMS: Mapping[str, Callable[..., None]] = {
    "fill": fill,
    "look": look,
    "hang-up": hang_up,
    "keep-peer": keep_peer,
    "names": names,
    "clear": clear,
    "put": put,
    "forget": forget,
    "damage": damage,
    "newer": newer,
    "kill": kill,
    "share": share,
    "hold": hold,
    "fill-up": fill_up,
    "stuff": stuff,
    "expect": expect,
}


def main(arguments: Sequence[str]) -> None:
    """Run a program."""
    PROGRAMS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
