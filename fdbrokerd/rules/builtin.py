# SPDX-License-Identifier: MIT
"""The rules of a private broker (`fdbrokerd --run`), which reads no files."""

from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.loader import load_text

_PRIVATE = """\
fdbroker: 1
resources:
  pty: {{kind: pty}}
rules:
  - id: own-terminals
    allow: pty
    peer: {{uid: {uid}}}
tests:
  - {{as: {{uid: {uid}}}, get: pty, expect: allow}}
  - {{as: {{uid: {other}}}, get: pty, expect: deny}}
"""


def private(uid: int) -> Ruleset:
    """Return rules by which a user may have what he could open himself, and nobody else anything.

    Raises a ConfigurationError for the uid of nobody, whom no rule can mean.
    """
    return load_text(_PRIVATE.format(uid=uid, other=uid + 1), "built-in rules")
