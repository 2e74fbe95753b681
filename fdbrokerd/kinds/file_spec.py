# SPDX-License-Identifier: MIT
"""What a rule file says of a resource of the kind `file`, looked at when it is loaded."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.kinds.create import Creation
from fdbrokerd.kinds.deliver import DEFAULT_SNAPSHOT_BYTES
from fdbrokerd.kinds.local import is_local, may_hang
from fdbrokerd.kinds.template import Template
from fdbrokerd.model.key import KeyRefused, Values
from fdbrokerd.trusted_path import controlled

ACCESS: Mapping[str, int] = MappingProxyType(
    {
        "read": os.O_RDONLY,
        "write": os.O_WRONLY,
        "read-write": os.O_RDWR,
        "append": os.O_WRONLY | os.O_APPEND,
    }
)


class FileSpec(Struct, frozen=True):
    """Which file, how it is opened and how it is handed over."""

    root: str
    path: Template
    links: bool
    flags: int
    type: str
    creation: Creation | None
    deliver: str
    max_size: int
    controlled: bool | None
    """Whether only root can swap the root directory for another; None: a child has to look."""
    local: bool
    """Whether it was on a file system that cannot hang when the rules were loaded."""


def file_spec(values: Values, arguments: frozenset[str]) -> FileSpec:
    """Return the specification. Raises KeyRefused for keys that do not go together."""
    access = values.text("access") or ""
    deliver = values.text("deliver") or "fd"
    root = _root(values)
    _refuse_combinations(values, access, deliver)
    hangs = may_hang(root)  # rules are loaded while others are served
    return FileSpec(
        root=root,
        path=_path(values, arguments),
        links="root" in values,
        flags=ACCESS[access],
        type=values.text("type") or "regular",
        creation=_creation(values.section("create")),
        deliver=deliver,
        max_size=values.number("max-size") or DEFAULT_SNAPSHOT_BYTES,
        controlled=None if hangs else controlled(root),
        local=not hangs and is_local(root),
    )


def _root(values: Values) -> str:
    root = values.text("root") or "/"
    normal = os.path.normpath(root) == root and not root.startswith("//")  # which that leaves
    if not root.startswith("/") or not normal or "\0" in root:
        raise KeyRefused("root", "must be an absolute path without '..', '//' or a '/' at its end")
    return root


def _path(values: Values, arguments: frozenset[str]) -> Template:
    text = values.text("path") or ""
    if text.startswith("/") and "root" in values and values.text("root") != "/":
        raise KeyRefused("path", "is below root, so it must not begin with '/'")
    if not text.startswith("/") and "root" not in values:
        raise KeyRefused("path", "must begin with '/', or say root")
    text = text.removeprefix("/")
    if any(part in {"", ".", ".."} for part in text.split("/")) or "\0" in text:
        raise KeyRefused("path", "holds an empty component, '.', '..' or a NUL")
    template = Template.of("path", text, arguments)
    if not template.fixed and "root" not in values:
        raise KeyRefused(
            "path", "holds a ${…}, so say root: the directory that it must never leave"
        )
    return template


def _refuse_combinations(values: Values, access: str, deliver: str) -> None:
    kind = values.text("type") or "regular"
    if "create" in values and (access == "read" or kind != "regular"):
        raise KeyRefused("create", "goes with a regular file that is written")
    if "max-size" in values and deliver != "snapshot":
        raise KeyRefused("max-size", "goes with deliver: snapshot")
    if deliver != "fd" and kind != "regular":
        raise KeyRefused("deliver", f"a {kind} can only be handed over as it is")
    if deliver == "snapshot" and access != "read":
        raise KeyRefused("deliver", "a snapshot can only be read")
    if deliver == "pipe" and access not in {"read", "append"}:
        raise KeyRefused("deliver", "a pipe goes one way: read or append")
    if kind == "socket" and access != "read-write":
        raise KeyRefused("access", "a socket is read-write")


def _creation(section: Values | None) -> Creation | None:
    if section is None:
        return None
    mode = section.number("mode")
    assert mode is not None
    return Creation(mode, section.account("owner"), section.account("group"))
