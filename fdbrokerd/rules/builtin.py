# SPDX-License-Identifier: MIT
"""The rules of a private broker (`fdbrokerd --run`), which reads no files."""

from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.loader import load_text

_PRIVATE = """\
fdbroker: 1
resources:
  pty: {{kind: pty}}
  memfd: {{kind: memfd}}
  eventfd: {{kind: eventfd}}
  pipe: {{kind: pipe}}
  socketpair: {{kind: socketpair}}
  store: {{kind: store}}
rules:
  - id: own-terminals
    allow: pty
    peer: {{uid: {uid}}}
  - id: own-things
    allow: [memfd, eventfd, pipe, socketpair]
    do: [get, remove, list, watch]
    peer: {{uid: {uid}}}
  - id: own-store
    allow: store
    do: [get, put, take, remove, list, watch]
    peer: {{uid: {uid}}}
tests:
  - {{as: {{uid: {uid}}}, get: pty, expect: allow}}
  - {{as: {{uid: {other}}}, get: pty, expect: deny}}
  - {{as: {{uid: {uid}}}, get: memfd, expect: allow}}
  - {{as: {{uid: {uid}}}, get: socketpair/name, with: {{end: a}}, expect: allow}}
  - {{as: {{uid: {uid}}}, remove: pipe/name, expect: allow}}
  - {{as: {{uid: {other}}}, get: eventfd/name, expect: deny}}
  - {{as: {{uid: {uid}}}, put: store/name, expect: allow}}
  - {{as: {{uid: {uid}}}, take: store/a/b, expect: allow}}
  - {{as: {{uid: {other}}}, get: store/name, expect: deny}}
  - {{as: {{uid: {other}}}, watch: store, expect: deny}}
"""


def private(uid: int) -> Ruleset:
    """Return rules by which a user may have what he could open himself, and nobody else anything.

    Raises a ConfigurationError for the uid of nobody, whom no rule can mean.
    """
    return load_text(_PRIVATE.format(uid=uid, other=uid + 1), "built-in rules")
