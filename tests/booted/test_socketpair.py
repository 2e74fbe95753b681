# SPDX-License-Identifier: MIT
"""A socket pair under the unit: made as the peer, which takes the drop-in, and never as another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .service import PERSON, SOCKET, UNIT, rule_file, shipped_drop_in

if TYPE_CHECKING:
    from .machine import Machine

RULES = """
resources:
  pair: {kind: socketpair}
rules:
  - {id: people-get-pairs, allow: pair, peer: {uid: 1000-59999}}
"""
ASK = """
import socket, struct, fdbrokerd
with fdbrokerd.Client() as broker, broker.get("pair") as pair:
    for name in pair.names:
        with pair.socket(name) as end:
            body = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            print(struct.unpack("iII", body)[1])
"""


def test_it_says_of_both_ends_that_they_are_the_peers(sockets: Machine) -> None:
    sockets.write(rule_file(RULES))
    sockets.systemctl("start", SOCKET, UNIT)
    asked = sockets.run("python3", "-Ic", ASK, user=PERSON, check=False)
    assert "OpenFailed: pair could not be opened: EPERM" in asked.stderr, "the unit alone cannot"
    shipped_drop_in(sockets, "30-socketpair.conf")
    sockets.systemctl("restart", UNIT)
    assert sockets.run("python3", "-Ic", ASK, user=PERSON).stdout.split() == [str(PERSON)] * 2
