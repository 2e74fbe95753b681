# SPDX-License-Identifier: MIT
"""What may be had in a soak, and the calls whose answers are known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.daemon.wire import MANAGER, Reply, call

FIRST_UID = 2000
"""Of the workers; each has a uid of its own."""

PAGE_BYTES = 100_000
"""More than the daemon copies by itself, so a child takes the snapshot."""

RULES = """
resources:
  note: {kind: file, root: $DIR, path: note, access: read}
  log: {kind: file, root: $DIR, path: "log-${uid}", access: append, create: {mode: "0600", owner: root}}
  page: {kind: file, root: $DIR, path: page, access: read, deliver: snapshot, max-size: 1M}
  part: {kind: file, root: $DIR, path: "part-${name}", access: read, arguments: {name: {enum: [a, b]}}}
  pty: {kind: pty}
  memory: {kind: memfd, size: 4K}
  bell: {kind: eventfd}
  conduit: {kind: pipe}
  slots: {kind: store, quota: {items: 64, descriptors: 128}, ttl: {max: 60s}}
  one-pty: {kind: pty}
  left: {kind: pty}
  left-page: {kind: file, root: $DIR, path: page, access: read, deliver: snapshot, max-size: 1M}
  left-slots: {kind: store}
  killed: {kind: pty}
  killed-page: {kind: file, root: $DIR, path: page, access: read, deliver: snapshot, max-size: 1M}
  killed-slots: {kind: store, quota: {items: 64, descriptors: 128}}
  killed-lease: {kind: pty}
  secret: {kind: file, root: $DIR, path: note, access: read}
rules:
  - {id: files, allow: [note, log, page, left-page, killed-page, part], peer: {uid: "2000-2999"}}
  - {id: made, allow: [pty, left, killed], peer: {uid: "2000-2999"}}
  - {id: shared, allow: [memory, bell, conduit], do: [get, remove, list], peer: {uid: "2000-2999"}}
  - {id: held, allow: [slots, left-slots, killed-slots], do: [get, put, take, remove, list], peer: {uid: "2000-2999"}}
  - {id: cleared, allow: killed-slots, do: [list, remove], peer: {uid: 0}}
  - {id: counted, allow: [one-pty, killed-lease], peer: {uid: "2000-2999"}, limit: {held: 4}}
"""  # noqa: E501 (rules read best a line each)


def write_files(directory: Path) -> None:
    """Make what the rules name, beside the logs, which the daemon creates."""
    (directory / "note").write_text("a note\n")
    (directory / "part-a").write_text("part a\n")
    (directory / "page").write_bytes(b"x" * PAGE_BYTES)


@dataclass(frozen=True, slots=True)
class Known:
    """A call whose answer is known: its error, "" for none, and how many descriptors come."""

    method: str
    resource: str
    data: bytes
    error: str = ""
    descriptors: int = 0

    def wrong(self, reply: Reply) -> str:
        """Return what is wrong with the answer, "" for nothing."""
        if (reply.error, len(reply.descriptors)) == (self.error, self.descriptors):
            return ""
        return f"{self.method} {self.resource}: {reply.raw!r}, {len(reply.descriptors)} descriptors"


def _get(resource: str, descriptors: int, error: str = "", **arguments: str) -> Known:
    data = call("Get", resource=resource, arguments=arguments)
    return Known("Get", resource, data, error, descriptors)


SERVED: Sequence[Known] = (
    _get("note", 1),
    _get("log", 1),
    _get("pty", 2, rows="30"),
    _get("memory", 1),
    _get("bell", 1),
    _get("conduit", 2),
    _get("part", 1, name="a"),
    Known("WhoAmI", "", call("WhoAmI")),
    Known("List", "", call("List")),
    Known("Explain", "pty", call("Explain", resource="pty")),
)
BY_A_CHILD = _get("page", 1)
REFUSED: Sequence[Known] = (
    _get("secret", 0, "Denied"),
    _get("nowhere", 0, "Denied"),
    _get("part", 0, "OpenFailed", name="b"),
    _get("part", 0, "InvalidArgument", name="x"),
    Known("Get", "", call("Get", resource="\x1b[2J"), "InvalidParameter"),
    Known("Get", "", call("Get"), "InvalidParameter"),
    Known("Release", "", call("Release", grant="nobodys"), "InvalidParameter"),
    Known("Commit", "", call("Commit", transaction="nobodys"), "InvalidParameter"),
    Known("Nothing", "", call("Nothing"), "MethodNotFound"),
    Known("Status", "", call(f"{MANAGER}Status"), "PermissionDenied"),
)
