# SPDX-License-Identifier: MIT
"""Requests in Varlink, the same bytes for all who speak it."""

import json
from collections.abc import Mapping

from bench.peers.peer import Ask

BROKER = "io.fdbroker.Broker"

STORED = "stored"
FILE = "file"
PTY = "pty"
MEMFD = "memfd"
PTYS = "100 ptys"
MEMFDS = "100 memfds"
PUT_AND_TAKE = "put and take"
RELOAD = "reload"
SETTINGS = "stored, other settings"
MAKE_AND_REMOVE = "make and remove"

MANY = 100


def call(method: str, descriptors: int, **parameters: object) -> str:
    """Return a step that calls a method and expects one reply."""
    message = {"method": method, "parameters": parameters}
    return f"t:1:{descriptors}:{json.dumps(message, separators=(',', ':'))}"


def get(resource: str, descriptors: int = 1, **parameters: object) -> str:
    """Return a step that gets a resource."""
    return call(f"{BROKER}.Get", descriptors, resource=resource, **parameters)


SIMPLE: Mapping[str, Ask] = {
    STORED: Ask((get("store/one"),)),
    FILE: Ask((get("file"),)),
    PTY: Ask((get("pty", 2),)),
    MEMFD: Ask((get("memfd"),)),
}
"""What every server in Varlink is asked."""

ONE_AT_A_TIME: Mapping[str, Ask] = {PTYS: SIMPLE[PTY], MEMFDS: SIMPLE[MEMFD]}
"""What stands for many in one call where there is no such call."""

OF_BROKER: Mapping[str, Ask] = {
    **SIMPLE,
    PTYS: Ask((get("pty", 2 * MANY, count=MANY),), MANY),
    MEMFDS: Ask((get("memfd", MANY, count=MANY),), MANY),
    PUT_AND_TAKE: Ask(
        (
            call(f"{BROKER}.Put", 1, item="store/two", names=["fd"]),
            "d:0:0:",
            call(f"{BROKER}.Commit", 0, transaction="$T"),
            call(f"{BROKER}.Take", 1, item="store/two"),
            call(f"{BROKER}.Commit", 0, transaction="$T"),
        )
    ),
    MAKE_AND_REMOVE: Ask((get("eventfd/two"), call(f"{BROKER}.Remove", 0, item="eventfd/two"))),
    RELOAD: Ask((call("io.fdbroker.Manager.Reload", 0),)),
    SETTINGS: SIMPLE[STORED],
}
