# SPDX-License-Identifier: MIT
"""A ruleset for a measured fdbrokerd: what the client may have, and rules about others."""

import os

# What the benchmark itself needs does not count among the rules that are about others.
_OURS = """\
fdbroker: 1
resources:
  store:
    kind: store
    quota: {{items: 100000, descriptors: 100000, metadata: 16M, per: store}}
  file: {{kind: file, root: "{directory}", path: data, access: read}}
  pty: {{kind: pty}}
  memfd: {{kind: memfd}}
  eventfd: {{kind: eventfd}}
rules:
  - id: bench-opens
    allow: [file, pty, memfd]
    peer: {{uid: {uid}}}
  - id: bench-stores
    allow: store
    do: [get, put, take, remove]
    peer: {{uid: {uid}}}
  - id: bench-makes
    allow: eventfd
    do: [get, remove]
    peer: {{uid: {uid}}}
"""

CROWD = range(200_000, 200_100)
"""The users that bench/crowd.py has; the last of them floods."""

_CROWD = f"""\
  - id: bench-crowd
    allow: store
    peer: {{uid: {CROWD[0]}-{CROWD[-1]}}}
"""

_OTHERS = (
    "allow: [store, file, pty, memfd], peer: {{uid: {id}}}",
    "allow: [file, pty], peer: {{gid: {id}}}",
    "deny: store, peer: {{uid: {id}}}",
    "allow: [pty, memfd], peer: {{uid: {id}-{next}}}",
)
"""Rules as people write them, about the same resources and never about us."""

_OF_PROGRAMS = "allow: [store, file, pty, memfd], peer: {{uid: {id}, exe: /usr/bin/other-{id}}}"

_FIRST_ID = 100_000


def ruleset(directory: str, others: int, *, facts: bool = False, crowd: bool = False) -> str:
    """Return the text of a file with so many rules about others.

    With `facts` these are about programs; with `crowd` one more lets its users get what is stored.
    """
    kinds = (_OF_PROGRAMS,) if facts else _OTHERS
    lines = [_OURS.format(directory=directory, uid=os.geteuid()), _CROWD if crowd else ""]
    for index in range(others):
        number = _FIRST_ID + index
        rule = kinds[index % len(kinds)].format(id=number, next=number + 1)
        lines.append(f"  - {{id: other-{index}, {rule}}}\n")
    return "".join(lines)
